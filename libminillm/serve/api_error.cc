#include "libminillm/serve/api_error.h"

#include <nlohmann/json.hpp>

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

}  // namespace minillm
