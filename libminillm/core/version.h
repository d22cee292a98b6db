// The library's version: stored in every checkpoint's lineage, printed by every tool.

#ifndef LIBMINILLM_CORE_VERSION_H_
#define LIBMINILLM_CORE_VERSION_H_

namespace minillm {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace minillm

#endif  // LIBMINILLM_CORE_VERSION_H_
