#include "libminillm/serve/access.h"

#include <algorithm>

#include "libminillm/core/check.h"
#include "libminillm/core/sha256.h"
#include "libminillm/serve/api_error.h"

namespace minillm {
namespace {

// "localhost:8080" -> "localhost", "[::1]:8080" -> "[::1]".
std::string_view without_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos) return host;
  return bracket != std::string_view::npos && colon < bracket ? host : host.substr(0, colon);
}

// Names can be made to point anywhere, addresses cannot.
bool is_address(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool lists(const std::vector<std::string>& list, std::string_view item) {
  return std::ranges::any_of(
      list, [item](const std::string& entry) { return entry == "*" || entry == item; });
}

// Their hashes, so that the time tells nothing of where, or in how much, they differ.
bool same_secret(std::string_view a, std::string_view b) {
  const std::string x = sha256(a), y = sha256(b);
  unsigned different = 0;
  for (size_t i = 0; i < x.size(); ++i)
    different |= static_cast<unsigned char>(x[i]) ^ static_cast<unsigned char>(y[i]);
  return different == 0;
}

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == "::1";
}

void Access::check_sender(const HttpRequest& request) const {
  const std::string_view host = request.header("Host");
  const std::string_view name = without_port(host);
  if (config_.keys.empty() && !is_loopback(name) && !is_address(name) &&
      !lists(config_.hosts, name))
    throw ApiError(403, fmt::format("header Host: '{}' is no name of this server: expected "
                                    "localhost, an address, or one of access.hosts",
                                    name));
  const std::string_view origin = request.header("Origin");
  if (!origin.empty() && !allows_origin(origin, host))
    throw ApiError(403, fmt::format("header Origin: pages of '{}' may not ask: expected this "
                                    "machine's, or of one of access.origins",
                                    origin));
}

bool Access::allows_origin(std::string_view origin, std::string_view host) const {
  if (lists(config_.origins, origin)) return true;
  const size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view origin_host = origin.substr(scheme + 3);
  return origin_host == host || is_loopback(without_port(origin_host));
}

HttpHeaders Access::cors_headers(const HttpRequest& request) const {
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return {};
  HttpHeaders headers = {{"Access-Control-Allow-Origin", std::string(origin)}, {"Vary", "Origin"}};
  if (request.method != "OPTIONS") return headers;
  headers.emplace_back("Access-Control-Allow-Methods", "GET, POST");
  // The official clients send a dozen of their own.
  const std::string_view asked = request.header("Access-Control-Request-Headers");
  if (!asked.empty()) headers.emplace_back("Access-Control-Allow-Headers", std::string(asked));
  headers.emplace_back("Access-Control-Max-Age", "86400");
  return headers;
}

std::string Access::owner(const HttpRequest& request) const {
  if (config_.keys.empty()) return config_.strangers ? "" : "local";
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view given = request.header("Authorization");
  if (given.starts_with(kScheme)) {
    given.remove_prefix(kScheme.size());
    const std::string* found = nullptr;
    for (const std::string& key : config_.keys)
      if (same_secret(key, given)) found = &key;
    if (found != nullptr) return *found;
  }
  throw ApiError(401, "header Authorization: expected Bearer and a valid API key", "",
                 "invalid_api_key");
}

}  // namespace minillm
