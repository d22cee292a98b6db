#include "libminillm/serve/api_error.h"

#include <nlohmann/json.hpp>

#include "libminillm/generate/request.h"

namespace minillm {

const char* ApiError::type() const {
  switch (status_) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status_ < 500 ? "invalid_request_error" : "server_error";
  }
}

std::string ApiError::json() const {
  using Json = nlohmann::ordered_json;
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
  };
  const Json json = {{"error",
                      {{"message", what()},
                       {"type", type()},
                       {"param", or_null(param_)},
                       {"code", or_null(code_)}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ApiError as_api_error(const Error& error) {
  const auto* refused = dynamic_cast<const RequestRefused*>(&error);
  if (refused == nullptr) return {400, error.what()};
  if (refused->reason() == RequestRefused::Reason::kBusy) return {429, error.what()};
  return {400, error.what(), "", "context_length_exceeded"};
}

}  // namespace minillm
