// ApiError: what the API answers when it cannot do what was asked; one JSON object, whatever the
// reason.
//
//   {"error":{"message":"...","type":"invalid_request_error","param":"temperature","code":null}}

#ifndef LIBMINILLM_SERVE_API_ERROR_H_
#define LIBMINILLM_SERVE_API_ERROR_H_

#include <string>

#include "libminillm/core/error.h"

namespace minillm {

class ApiError : public Error {
 public:
  // `status`: of HTTP. `param`: the field of the request; `code`: for programs; empty: null.
  ApiError(int status, const std::string& message, std::string param = "", std::string code = "")
      : Error(message), status_(status), param_(std::move(param)), code_(std::move(code)) {}
  int status() const { return status_; }
  // "invalid_request_error", "authentication_error", ...: follows from the status.
  const char* type() const;
  std::string json() const;  // the object above, on one line

 private:
  int status_;
  std::string param_, code_;
};

// What the API answers where an engine has not taken a request: 400, or 429 if it is busy.
ApiError as_api_error(const Error& error);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_API_ERROR_H_
