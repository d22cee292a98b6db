#include "libminillm/serve/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "libminillm/serve/answer.h"  // to_line
#include "libminillm/serve/api_error.h"
#include "libminillm/serve/descriptions.h"
#include "libminillm/serve/http_text.h"
#include "libminillm/serve/page.h"

namespace minillm {
namespace {

using Json = AnswerJson;

// %41 -> A; anything else stays.
std::string unescape(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      return at < text.size() ? kDigits.find(static_cast<char>(text[at] | 0x20))
                              : std::string::npos;
    };
    const size_t high = digit(i + 1), low = digit(i + 2);
    if (text[i] == '%' && high != std::string::npos && low != std::string::npos) {
      result += static_cast<char>(16 * high + low);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

// Runs `answer`; what it throws is answered by `refuse`.
template <typename Answer, typename Refuse>
void guarded(Answer&& answer, Refuse&& refuse) {
  try {
    answer();
  } catch (const ApiError& error) {
    refuse(error);
  } catch (const std::exception& error) {
    refuse(ApiError(500, error.what()));
  }
}

}  // namespace

const Service::Route Service::kRoutes[] = {
    {"GET", "/health", true, &Service::health},
    {"GET", "/v1/health", true, &Service::health},
    {"GET", "/", true, &Service::page},
    {"GET", "/page.css", true, &Service::page},
    {"GET", "/page.js", true, &Service::page},
    {"GET", "/v1/models", false, &Service::list_models},
    {"GET", "/v1/models/", false, &Service::show_model},
    {"POST", "/v1/chat/completions", false, &Service::chat},
    {"POST", "/v1/completions", false, &Service::complete},
    {"POST", "/tokenize", false, &Service::tokenize},
    {"POST", "/detokenize", false, &Service::detokenize},
    {"POST", "/apply-template", false, &Service::apply_template},
    {"POST", "/tools/call", false, &Service::call_tool},
    {"GET", "/metrics", false, &Service::metrics},
    {"GET", "/props", false, &Service::props},
};

Service::Service(ServiceConfig config) : config_(std::move(config)), access_(config_.access) {
  config_.defaults.validate();
}

void Service::set_models(const Models& models, EngineThread& thread) {
  models_ = &models;
  thread_ = &thread;
  ready_ = true;
}

void Service::require_ready() const {
  if (stopping_) throw ApiError(503, "server: it is stopping");
  if (!ready_) throw ApiError(503, "Loading model");  // as llama.cpp says it
}

void Service::send(Exchange& exchange, const char* type, std::string body) {
  HttpResponse response{200, exchange.headers, std::move(body)};
  response.headers.emplace_back("Content-Type", type);
  exchange.responder->send(std::move(response));
}

void Service::refuse(Exchange& exchange, const ApiError& error) {
  HttpResponse response = error_response(error);
  response.headers.insert(response.headers.end(), exchange.headers.begin(), exchange.headers.end());
  exchange.responder->send(std::move(response));
}

void Service::handle(HttpRequest&& request, std::shared_ptr<HttpResponder> responder) {
  const auto exchange =
      std::make_shared<Exchange>(Exchange{std::move(request), std::move(responder)});
  exchange->headers.emplace_back("X-Content-Type-Options", "nosniff");
  guarded([&] { dispatch(exchange); }, [&](const ApiError& error) { refuse(*exchange, error); });
}

void Service::dispatch(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request;
  access_.check_sender(request);
  const HttpHeaders cors = access_.cors_headers(request);
  exchange->headers.insert(exchange->headers.end(), cors.begin(), cors.end());
  if (request.method == "OPTIONS") return exchange->responder->send({204, exchange->headers});
  const Route& route = find_route(*exchange);
  if (!route.open) {
    exchange->owner = access_.owner(request);
    require_ready();
  }
  if (request.method != "POST") return (this->*route.answer)(*exchange);
  work_.post([this, exchange, &route] {
    guarded([&] { (this->*route.answer)(*exchange); },
            [&](const ApiError& error) { refuse(*exchange, error); });
  });
}

const Service::Route& Service::find_route(Exchange& exchange) {
  const std::string_view path = exchange.request.path();
  const std::string& asked = exchange.request.method;
  const std::string_view method = asked == "HEAD" ? "GET" : std::string_view(asked);
  const char* other = nullptr;  // a method that the path has
  for (const Route& route : kRoutes) {
    const std::string_view own = route.path;
    const bool longer = own.size() > 1 && own.ends_with('/') && path.starts_with(own);
    if (path != own && !longer) continue;
    if (method == route.method) return route;
    other = route.method;
  }
  if (other == nullptr) throw ApiError(404, fmt::format("'{}': there is no such address", path));
  exchange.headers.emplace_back("Allow", other);
  throw ApiError(405, fmt::format("'{}': expected {}, got {}", path, other, asked));
}

// ---- what is served ----

void Service::health(Exchange& exchange) {
  require_ready();
  send_json(exchange, R"({"status":"ok"})");
}

void Service::page(Exchange& exchange) {
  const PageFile& file = page_file(exchange.request.path());
  exchange.headers.emplace_back("Content-Security-Policy", kPagePolicy);
  exchange.headers.emplace_back("Referrer-Policy", "no-referrer");
  exchange.headers.emplace_back("Cache-Control", "no-cache");
  send(exchange, file.type, std::string(file.content));
}

void Service::list_models(Exchange& exchange) {
  Json list = Json::array();
  for (const ServedModel& model : models_->all()) list.push_back(model_json(model, started_));
  send_json(exchange, to_line({{"object", "list"}, {"data", list}}));
}

void Service::show_model(Exchange& exchange) {
  const std::string_view path = exchange.request.path();
  const std::string name = unescape(path.substr(path.rfind("/models/") + 8));
  send_json(exchange, to_line(model_json(models_->find(name.empty() ? "/" : name), started_)));
}

void Service::metrics(Exchange& exchange) {
  send(exchange, "text/plain; version=0.0.4; charset=utf-8", metrics_text(*models_));
}

void Service::props(Exchange& exchange) {
  send_json(exchange, to_line(props_json(*models_, config_, started_)));
}

}  // namespace minillm
