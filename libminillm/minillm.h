// libminillm in one include. Start here.
//
// Loads a checkpoint that one of the stages wrote and lets it answer:
//
//   #include "libminillm/minillm.h"
//
//   #include <cstdio>
//
//   int main(int argc, char** argv) try {
//     using namespace minillm;
//     const Checkpoint checkpoint = Checkpoint::open(argc > 1 ? argv[1] : "runs/quickstart/dpo");
//     const Model model = checkpoint.load_model();
//     const Tokenizer tokenizer = checkpoint.tokenizer();
//
//     GenerationConfig config;
//     config.sampling.temperature = 0;
//     config.max_tokens = 64;
//     GenerationEvents events;
//     events.on_text = [](const std::string& text) { std::fputs(text.c_str(), stdout); };
//
//     const std::string question = argc > 2 ? argv[2] : "Who are you?";
//     const auto prompt = render_prompt(tokenizer, {{Role::kUser, question}});
//     Generator(model, tokenizer).generate(prompt, config, events);
//     std::puts("");
//     return 0;
//   } catch (const minillm::Error& error) {
//     std::fprintf(stderr, "error: %s\n", error.what());
//     return static_cast<int>(error.exit_code());
//   }
//
// To train inside a program, fill a PretrainConfig, SftConfig or DpoConfig and call pretrain(),
// sft() or dpo(), on files or on rows in memory (libminillm/doc/examples/); or hand Trainer a
// micro-step of your own (libminillm/train/trainer.h).
//
// Reading the library: libminillm/doc/tour.md.

#ifndef LIBMINILLM_MINILLM_H_
#define LIBMINILLM_MINILLM_H_

#include "libminillm/checkpoint/checkpoint.h"      // Checkpoint
#include "libminillm/constitution/constitution.h"  // apply_principle
#include "libminillm/constrain/constraint.h"       // CompiledConstraint, TokenConstraint
#include "libminillm/core/error.h"                 // Error
#include "libminillm/core/version.h"               // kVersion
#include "libminillm/data/chat_template.h"         // render_prompt, render_conversation
#include "libminillm/data/dataset_reader.h"        // read_conversations, read_preferences
#include "libminillm/data/document_reader.h"       // for_each_document
#include "libminillm/data/packing.h"               // append_sequence, append_pair
#include "libminillm/data/token_shard.h"           // write_token_shard, TokenShard
#include "libminillm/data/tokenizer.h"             // Tokenizer, train_tokenizer
#include "libminillm/dist/mpi.h"                   // open_launched_ranks
#include "libminillm/dpo/dpo.h"                    // dpo
#include "libminillm/eval/calibration.h"           // calibrate, one_word_answers
#include "libminillm/eval/choice_eval.h"           // score_items, evaluate_choices
#include "libminillm/eval/compare.h"               // compare_checkpoints
#include "libminillm/eval/diagnosis.h"             // judge_answer, diagnose
#include "libminillm/eval/preference_eval.h"       // evaluate_preferences, evaluate_rewards
#include "libminillm/eval/rank_one.h"              // rank_one_values, rank_one_changes
#include "libminillm/eval/reliability_diagram.h"   // reliability_diagram
#include "libminillm/eval/reward_eval.h"           // answer_scores
#include "libminillm/eval/sequence_scores.h"       // token_log_probs, answer_log_probs
#include "libminillm/eval/sft_eval.h"              // evaluate_sft
#include "libminillm/eval/text_loss.h"             // evaluate_text
#include "libminillm/eval/world_eval.h"            // evaluate_world
#include "libminillm/generate/chat.h"              // ChatSession
#include "libminillm/generate/engine.h"            // Engine
#include "libminillm/generate/generator.h"         // Generator
#include "libminillm/generate/prompts.h"           // read_prompts
#include "libminillm/generate/sample_documents.h"  // sample_documents
#include "libminillm/interop/gguf_export.h"        // export_gguf
#include "libminillm/interop/gguf_import.h"        // import_gguf
#include "libminillm/interop/hf_export.h"          // export_hf
#include "libminillm/interop/llama2c.h"            // export_llama2c
#include "libminillm/interop/llama2c_import.h"     // import_llama2c
#include "libminillm/nn/model.h"                   // Model
#include "libminillm/objectives/bradley_terry.h"   // bradley_terry_loss
#include "libminillm/objectives/next_token.h"      // next_token_loss
#include "libminillm/objectives/preference.h"      // pair_loss
#include "libminillm/pretrain/pretrain.h"          // pretrain
#include "libminillm/report/report.h"              // report::gather_report, report::report_html
#include "libminillm/reward/reward.h"              // train_reward
#include "libminillm/rewards/rewards.h"            // rewards, WeightedRewards
#include "libminillm/rl/rl.h"                      // rl
#include "libminillm/sft/sft.h"                    // sft
#include "libminillm/train/trainer.h"              // Trainer
#include "libminillm/world/fact_check.h"           // world::FactChecker
#include "libminillm/world/world_files.h"          // world::make_world_files

#endif  // LIBMINILLM_MINILLM_H_
