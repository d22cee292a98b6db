// StopScanner: finds stop strings in text that arrives in pieces, holding back what may become one.

#ifndef LIBMINILLM_GENERATE_STOP_SCANNER_H_
#define LIBMINILLM_GENERATE_STOP_SCANNER_H_

#include <string>
#include <vector>

namespace minillm {

class StopScanner {
 public:
  // Throws Error (kUsage) on an empty stop string.
  explicit StopScanner(std::vector<std::string> stop);

  // Takes the next piece of text and returns what has become certain to be shown. A stop string may
  // straddle pieces: its possible beginnings are held back. If several match, the one that ends
  // first counts, so the cuts between pieces make no difference.
  std::string push(const std::string& piece);
  // A stop string was found; the text before it has been returned, push() returns nothing more.
  bool stopped() const { return stopped_; }
  // The text has ended: returns what was held back.
  std::string finish();

 private:
  std::vector<std::string> stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace minillm

#endif  // LIBMINILLM_GENERATE_STOP_SCANNER_H_
