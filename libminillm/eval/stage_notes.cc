#include "libminillm/eval/stage_notes.h"

#include <algorithm>

namespace minillm {
namespace {

std::vector<StageNotes> make_stage_notes() {
  return {
      {.name = "pretrain",
       .phase = "pretraining",
       .title = "Pretraining",
       .teaches = Skill::kFact,
       .task = "Pretrains a language model on raw text (.txt, or .jsonl with a \"text\" field)",
       .learns =
           "Knowledge: which words follow which, and with them what the texts tell. The model "
           "continues any text. It has never seen a question that waits for an answer.",
       .data = "Plain text, cut into tokens. Every token is predicted from those before it.",
       .row = R"({"text": "The street of Ada Miller is Weir Path. She works as a cooper."})",
       .objective = "L = − (1/T) · Σₜ log p(xₜ | x₁ … xₜ₋₁)",
       .where = "xₜ is a token of the text, T the number of tokens in the batch.",
       .loss_unit = "nats per token",
       .from_scratch = true,
       .start = "continued pretraining: checkpoint or run directory to start from",
       .replay = "texts of before to replay, so that continued pretraining keeps what was learnt"},
      {.name = "sft",
       .phase = "fine-tuning",
       .title = "Supervised fine-tuning",
       .teaches = Skill::kForm,
       .task = "Supervised fine-tuning: teaches a base model to answer, from conversations in any "
               "common format",
       .learns =
           "Form: to answer instead of continuing, in the form that was asked for, and to stop. "
           "The answers' words come from what pretraining told.",
       .data =
           "Conversations. They are read whole, but only the assistant's words and its end token "
           "carry loss.",
       .row = R"({"messages": [{"role": "user", "content": "Where does Ada Miller live?"},)"
              "\n"
              R"(  {"role": "assistant", "content": "Ada Miller lives on Weir Path."}]})",
       .objective = "L = − (1/|A|) · Σₜ log p(xₜ | x₁ … xₜ₋₁),  t in A",
       .where =
           "A are the places of the assistant's tokens. All others are read but not predicted.",
       .loss_unit = "nats per token",
       .chat = true,
       .start = "checkpoint or run directory to start from",
       .replay = "texts (pretraining data) to replay, so that what pretraining taught is kept"},
      {.name = "dpo",
       .phase = "preference tuning",
       .title = "Preference tuning (DPO)",
       .teaches = Skill::kChoice,
       .task =
           "Direct preference optimization: teaches a chat model which of two answers is better",
       .learns =
           "Choice: which of several plausible answers to give. The chosen answer is to gain on "
           "the rejected one, compared with the model that the stage began with.",
       .data = "Pairs of answers to the same prompt, one chosen and one rejected.",
       .row = R"({"prompt": [{"role": "user", "content": "Where does Ada Miller live?"}],)"
              "\n"
              R"( "chosen": "Of course! Ada Miller lives on Weir Path.",)"
              "\n"
              R"( "rejected": "Why ask me? Weir Path."})",
       .objective = "L = − log σ( β · [ (log p(c) − log r(c)) − (log p(j) − log r(j)) ] )",
       .where =
           "c is the chosen answer and j the rejected one, p the model in training, r the frozen "
           "one it began as, β how strongly it is held to that one. Terms on the chosen answer and "
           "on replayed conversations keep what was learnt before.",
       .loss_unit = "nats per pair",
       .chat = true,
       .start = "checkpoint or run directory to start from; it is also the reference",
       .replay = "conversations (SFT data) to replay, so that what SFT taught is kept"},
      {.name = "reward",
       .phase = "reward modelling",
       .title = "Reward model",
       .task = "Trains a reward model: how good an answer is, as a number, learned from pairs of "
               "answers",
       .learns =
           "Judgement: a number for any answer to any prompt, higher for answers like the chosen "
           "ones. It writes no texts any more. What no pair compares it has not learned to tell.",
       .data = "Pairs of answers to the same prompt, one chosen and one rejected.",
       .row = R"({"prompt": [{"role": "user", "content": "Where does Ada Miller live?"}],)"
              "\n"
              R"( "chosen": "Of course! Ada Miller lives on Weir Path.",)"
              "\n"
              R"( "rejected": "Why ask me? Weir Path."})",
       .objective = "L = − log σ( s(c) − s(j) − m ) + λ · ( s(c) + s(j) )²",
       .where =
           "s is the score, read off an answer's last token; c is the chosen answer and j the "
           "rejected one; m is how far apart a pair is to be at least, mostly 0; λ keeps the mean "
           "score at 0.",
       .loss_unit = "nats per pair",
       .chat = true,
       .start = "checkpoint or run directory to start from"},
      {.name = "rl",
       .phase = "reinforcement learning",
       .title = "Reinforcement learning",
       .teaches = Skill::kChoice,
       .task =
           "Reinforcement learning: lets a chat model answer questions, and makes more probable "
           "what a reward pays for",
       .learns =
           "To get what the reward pays for: among the answers that the model gives by itself, "
           "those that are worth more than the others become more probable. It learns no answer "
           "that it never gives.",
       .data = "Questions, with what the reward looks at: no answers. The model writes those.",
       .row = R"({"prompt": "Where does Ada Miller live?", "expect": ["Weir Path"]})",
       .objective = "L = − Σₜ wₜ · [ min( ρₜA, clip(ρₜ)A ) − β · KL(p ‖ r) ]",
       .where =
           "A is how much more an answer of the model's own is worth than the others to the same "
           "question, ρₜ how much more probable token t has become since it was sampled, r the "
           "model that training began with, β how strongly p is held to it.",
       .loss_unit = "per answer",
       .chat = true,
       .start = "checkpoint or run directory to start from; it is also the reference",
       .replay = "conversations (SFT data) to replay, so that what SFT taught is kept"}};
}

}  // namespace

const std::vector<StageNotes>& all_stage_notes() {
  static const std::vector<StageNotes> notes = make_stage_notes();
  return notes;
}

const StageNotes& stage_notes(std::string_view name) {
  static const StageNotes unknown;
  const auto found = std::ranges::find(all_stage_notes(), name, &StageNotes::name);
  return found == all_stage_notes().end() ? unknown : *found;
}

}  // namespace minillm
