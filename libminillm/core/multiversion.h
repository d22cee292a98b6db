// Loops compiled for several generations of processors, in binaries that run on all of them.

#ifndef LIBMINILLM_CORE_MULTIVERSION_H_
#define LIBMINILLM_CORE_MULTIVERSION_H_

// Before a function: it is compiled for AVX-512, for AVX2 and for any x86-64, and the dynamic
// linker takes the best that the processor has. Only what such a function contains or inlines is
// compiled that way: not a function it calls, and not the body of a loop on several threads. (The
// matrix products are chosen by ops/gemm/kernels.h instead: they differ in more than flags, and
// tests compare them.) Compilers that cannot do it compile the function once.
#ifdef MINILLM_MULTIVERSION_LOOPS
#define MINILLM_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MINILLM_MULTIVERSION
#endif

#endif  // LIBMINILLM_CORE_MULTIVERSION_H_
