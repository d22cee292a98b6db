// What this machine can do at most: the limits that minillm-bench holds its figures against.

#ifndef TOOLS_BENCH_MACHINE_H_
#define TOOLS_BENCH_MACHINE_H_

namespace minillm {

struct Machine {
  double flops = 0;       // float, all threads
  double bf16_flops = 0;  // as the best kernels multiply bf16
  double bandwidth = 0;   // bytes/s read by all threads
};

// Takes some seconds.
Machine measure_machine();

double now();  // seconds, from any fixed time on

}  // namespace minillm

#endif  // TOOLS_BENCH_MACHINE_H_
