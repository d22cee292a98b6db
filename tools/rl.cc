// minillm-rl: reinforcement learning of a checkpoint on questions.

#include "tools/stage_tool.h"

int main(int argc, char** argv) { return minillm::run_stage_tool("rl", argc, argv); }
