// The fuzz targets of the server, beside those of targets.cc; where the build has one.

#ifndef TESTS_FUZZ_SERVE_TARGETS_H_
#define TESTS_FUZZ_SERVE_TARGETS_H_

#include <string>
#include <string_view>
#include <vector>

namespace minillm_testing {

// The body of a request, as a chat's and as a completion's. What is taken is within its bounds.
void api_request(std::string_view bytes);
std::vector<std::string> api_request_seeds();

// What a client sends, on a socket, before it leaves: the server answers in HTTP, or not at all,
// and serves the next one.
void http_bytes(std::string_view bytes);
std::vector<std::string> http_bytes_seeds();

}  // namespace minillm_testing

#endif  // TESTS_FUZZ_SERVE_TARGETS_H_
