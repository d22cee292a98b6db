// The text of HTTP answers: heads, chunks, status lines. Knows no sockets.

#ifndef LIBMINILLM_SERVE_HTTP_TEXT_H_
#define LIBMINILLM_SERVE_HTTP_TEXT_H_

#include <string>
#include <string_view>

#include "libminillm/serve/api_error.h"
#include "libminillm/serve/http.h"

namespace minillm {

// How an answer is laid on the wire: follows from its request.
struct HttpFraming {
  bool http_1_0 = false;  // knows no chunks: the end of the connection ends a stream
  bool head_only = false;
  bool keep_alive = true;
  bool stream = false;

  bool chunked() const { return stream && !http_1_0; }
};

// Status line and headers up to the empty line; and, unless head_only or a stream, the body.
std::string http_answer(const HttpResponse& response, const HttpFraming& framing);
// A chunk of a stream (not empty), and its end.
std::string http_chunk(std::string_view text, const HttpFraming& framing);
std::string http_last_chunk(const HttpFraming& framing);

// The answer that an error is: its JSON, and the headers that its status asks for.
HttpResponse error_response(const ApiError& error);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_HTTP_TEXT_H_
