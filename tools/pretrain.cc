// minillm-pretrain: trains a language model on raw text, from scratch or from a checkpoint.

#include "tools/stage_tool.h"

int main(int argc, char** argv) { return minillm::run_stage_tool("pretrain", argc, argv); }
