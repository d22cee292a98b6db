// This machine's limits, which minillm-bench compares its figures with.

#ifndef TOOLS_BENCH_MACHINE_H_
#define TOOLS_BENCH_MACHINE_H_

namespace minillm {

struct Machine {
  double flops = 0;       // float, all threads
  double bf16_flops = 0;  // in bf16, with the best kernels
  double bandwidth = 0;   // bytes/s read by all threads
};

// Takes a few seconds.
Machine measure_machine();

double now();  // seconds since some fixed time

// A process that keeps a core busy while this lives.
class BusyNeighbour {
 public:
  BusyNeighbour();
  ~BusyNeighbour();
  BusyNeighbour(const BusyNeighbour&) = delete;
  BusyNeighbour& operator=(const BusyNeighbour&) = delete;

 private:
  int process_;
};

}  // namespace minillm

#endif  // TOOLS_BENCH_MACHINE_H_
