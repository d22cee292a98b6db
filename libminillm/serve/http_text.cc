#include "libminillm/serve/http_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <ctime>

namespace minillm {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Other";
  }
}

bool same_letters(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (same_letters(key, name)) return value;
  return {};
}

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string http_answer(const HttpResponse& response, const HttpFraming& framing) {
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", response.status,
                  reason(response.status), fmt::gmtime(std::time(nullptr)));
  for (const auto& [name, value] : response.headers) text += fmt::format("{}: {}\r\n", name, value);
  const bool has_body = response.status != 204 && response.status != 304;
  if (framing.chunked())
    text += "Transfer-Encoding: chunked\r\n";
  else if (!framing.stream && has_body)
    text += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (!framing.keep_alive)
    text += "Connection: close\r\n";
  else if (framing.http_1_0)
    text += "Connection: keep-alive\r\n";
  text += "\r\n";
  if (!framing.stream && has_body && !framing.head_only) text += response.body;
  return text;
}

std::string http_chunk(std::string_view text, const HttpFraming& framing) {
  if (framing.head_only) return "";
  return framing.chunked() ? fmt::format("{:x}\r\n{}\r\n", text.size(), text) : std::string(text);
}

std::string http_last_chunk(const HttpFraming& framing) {
  return framing.chunked() && !framing.head_only ? "0\r\n\r\n" : "";
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse response{error.status(), {{"Content-Type", "application/json"}}, error.json()};
  if (error.status() == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.status() == 429 || error.status() == 503)
    response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace minillm
