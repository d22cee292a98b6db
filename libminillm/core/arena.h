// Arena: one flat, zeroed, 64-byte aligned array of Real.
//
// Parameters, gradients and optimizer moments are each one Arena with the same layout
// (core/tensor_table.h), so the optimizer, clipping and the checkpoint are flat loops.

#ifndef LIBMINILLM_CORE_ARENA_H_
#define LIBMINILLM_CORE_ARENA_H_

#include <sys/mman.h>

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "libminillm/core/real.h"

namespace minillm {

class Arena {
 public:
  Arena() = default;
  // `size` zeros. Throws std::bad_alloc.
  explicit Arena(Index size) : size_(size) {
    assert(size >= 0);
    const size_t bytes =
        (static_cast<size_t>(size) * sizeof(Real) + kAlignment) / kAlignment * kAlignment;
    const bool large = bytes >= 2 * kHugePage;
    void* memory = nullptr;
    if (posix_memalign(&memory, large ? kHugePage : kAlignment, bytes) != 0) throw std::bad_alloc();
    if (large) advise_huge_pages(memory, bytes);
    std::memset(memory, 0, bytes);
    data_.reset(static_cast<Real*>(memory));
  }
  Arena(Arena&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Arena& operator=(Arena&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  Index size() const { return size_; }
  Real* data() { return data_.get(); }
  const Real* data() const { return data_.get(); }
  std::span<Real> span() { return {data_.get(), static_cast<size_t>(size_)}; }
  std::span<const Real> span() const { return {data_.get(), static_cast<size_t>(size_)}; }

 private:
  static constexpr size_t kAlignment = 64;  // a cache line, and an AVX-512 register
  static constexpr size_t kHugePage = size_t{2} << 20;
  // Matrices are read with large strides, a page or more apart: with pages of 2 MB instead of 4 KB
  // the processor finds them without walking its page tables. Only advice: where the system has
  // none, nothing changes.
  static void advise_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  }
  struct Free {
    void operator()(Real* memory) const { std::free(memory); }
  };
  std::unique_ptr<Real, Free> data_;
  Index size_ = 0;
};

}  // namespace minillm

#endif  // LIBMINILLM_CORE_ARENA_H_
