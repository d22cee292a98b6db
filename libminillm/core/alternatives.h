// `"a", "b" or "c"`: what an error text expected, where the names come from a table.

#ifndef LIBMINILLM_CORE_ALTERNATIVES_H_
#define LIBMINILLM_CORE_ALTERNATIVES_H_

#include <string>

namespace minillm {

// Of the names of the entries for which `applies`.
template <typename Table, typename Applies>
std::string alternatives(const Table& table, const Applies& applies) {
  std::string text, last;
  for (const auto& entry : table) {
    if (!applies(entry)) continue;
    if (!last.empty()) text += (text.empty() ? "" : ", ") + last;
    last = '"' + std::string(entry.name) + '"';
  }
  return text.empty() ? last : text + " or " + last;
}
template <typename Table>
std::string alternatives(const Table& table) {
  return alternatives(table, [](const auto&) { return true; });
}

}  // namespace minillm

#endif  // LIBMINILLM_CORE_ALTERNATIVES_H_
