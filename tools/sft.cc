// minillm-sft: fine-tunes a checkpoint on conversations.

#include "tools/stage_tool.h"

int main(int argc, char** argv) { return minillm::run_stage_tool("sft", argc, argv); }
