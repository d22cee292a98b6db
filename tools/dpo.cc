// minillm-dpo: tunes a chat checkpoint on preference pairs.

#include "tools/stage_tool.h"

int main(int argc, char** argv) { return minillm::run_stage_tool("dpo", argc, argv); }
