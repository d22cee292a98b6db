#include "libminillm/ops/gemm/kernels.h"

#include <atomic>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "libminillm/ops/gemm/gemm.h"  // Precision

namespace minillm::gemm {

#define MINILLM_DECLARE_KERNEL_SET(set)  \
  namespace set {                        \
  extern const Kernels kFloatKernels;    \
  extern const Kernels kBfloat16Kernels; \
  extern const Kernels kInt8Kernels;     \
  }
#if defined(__x86_64__) && defined(__GNUC__)
MINILLM_DECLARE_KERNEL_SET(avx512bf16)
MINILLM_DECLARE_KERNEL_SET(avx512)
MINILLM_DECLARE_KERNEL_SET(avx2)
#endif
MINILLM_DECLARE_KERNEL_SET(portable)

const KernelSet kKernelSets[] = {
#if defined(__x86_64__) && defined(__GNUC__)
    {"avx512bf16", &avx512bf16::kFloatKernels, &avx512bf16::kBfloat16Kernels,
     &avx512bf16::kInt8Kernels},
    {"avx512", &avx512::kFloatKernels, &avx512::kBfloat16Kernels, &avx512::kInt8Kernels},
    {"avx2", &avx2::kFloatKernels, &avx2::kBfloat16Kernels, &avx2::kInt8Kernels},
#endif
    {"portable", &portable::kFloatKernels, &portable::kBfloat16Kernels, &portable::kInt8Kernels},
};

int kernel_set_count() { return static_cast<int>(std::size(kKernelSets)); }

bool is_supported([[maybe_unused]] const KernelSet& set) {
#if defined(__x86_64__) && defined(__GNUC__)
  const std::string_view name = set.name;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (name == "avx2") return avx2;
  if (name == "avx512") return avx512;
  if (name == "avx512bf16") return avx512 && __builtin_cpu_supports("avx512bf16");
#endif
  return true;
}

namespace {

const KernelSet* best() {
  const char* wanted = std::getenv("MINILLM_KERNELS");
  const KernelSet* first = nullptr;
  for (const KernelSet& set : kKernelSets) {
    if (!is_supported(set)) continue;
    if (wanted != nullptr && std::string_view(wanted) == set.name) return &set;
    if (first == nullptr) first = &set;
  }
  return first;
}

std::atomic<const KernelSet*> g_used = nullptr;

}  // namespace

void use_kernels(const KernelSet* set) { g_used = set; }

const Kernels& kernels(Precision precision) {
  static const KernelSet* const chosen = best();
  const KernelSet* used = g_used.load(std::memory_order_relaxed);
  if (used == nullptr) used = chosen;
  switch (precision) {
    case Precision::kFloat:
      return *used->fp32;
    case Precision::kBfloat16:
      return *used->bf16;
    case Precision::kInt8:
      return *used->int8;
  }
  return *used->fp32;
}

}  // namespace minillm::gemm
