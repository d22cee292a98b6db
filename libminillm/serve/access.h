// Who may ask: API keys, the Host header, pages of other origins.

#ifndef LIBMINILLM_SERVE_ACCESS_H_
#define LIBMINILLM_SERVE_ACCESS_H_

#include <string>
#include <string_view>
#include <vector>

#include "libminillm/serve/http.h"

namespace minillm {

struct AccessConfig {
  std::vector<std::string> keys = {};  // any of them is asked for; empty: none is
  bool strangers = false;              // without keys: those who ask are not one user
  // A page that makes its own name point at this machine (DNS rebinding) would be in the same
  // origin as the server. So, where no key is asked for, Host must be localhost, an address, or one
  // of these; "*": any.
  std::vector<std::string> hosts = {};
  // Whose pages may ask from a browser, besides this machine's; "*": any.
  std::vector<std::string> origins = {};
};

// Whether the name or address means this machine alone: localhost, 127.0.0.1, [::1].
bool is_loopback(std::string_view host);

class Access {
 public:
  explicit Access(AccessConfig config) : config_(std::move(config)) {}

  // Throws ApiError 403 if the Host, or the Origin, is a stranger's.
  void check_sender(const HttpRequest& request) const;
  // What a browser wants to read on an answer to a page of another origin (CORS).
  HttpHeaders cors_headers(const HttpRequest& request) const;
  // Whose request it is, for EngineRequest::owner: its key; "local" where none is asked for, or
  // nobody's for strangers. Throws ApiError 401. Takes as long for any wrong key.
  std::string owner(const HttpRequest& request) const;

 private:
  bool allows_origin(std::string_view origin, std::string_view host) const;

  AccessConfig config_;
};

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_ACCESS_H_
