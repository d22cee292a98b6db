// OuterConfig: replicas that train alone and meet every so many steps.

#ifndef LIBMINILLM_TRAIN_OUTER_CONFIG_H_
#define LIBMINILLM_TRAIN_OUTER_CONFIG_H_

#include <cstdint>

namespace minillm {

// DiLoCo: Douillard et al. 2023, arXiv:2311.08105, algorithm 1.
struct OuterConfig {
  int64_t replicas = 0;        // 0: none; every step is one of all
  int64_t every = 100;         // steps from one outer step to the next
  double learning_rate = 0.7;  // of the outer step
  double momentum = 0.9;       // Nesterov's; 0 and a rate of 1: the mean of the replicas
};

}  // namespace minillm

#endif  // LIBMINILLM_TRAIN_OUTER_CONFIG_H_
