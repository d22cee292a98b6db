// minillm-reward: trains a reward model on preference pairs.

#include "tools/stage_tool.h"

int main(int argc, char** argv) { return minillm::run_stage_tool("reward", argc, argv); }
