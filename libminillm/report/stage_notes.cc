// What each stage is about, in words.

#include "libminillm/report/report.h"

namespace minillm::report {

StageNotes stage_notes(const std::string& stage) {
  if (stage == "pretrain") {
    return {"Pretraining",
            "Knowledge: which words follow which, and with them what the texts tell. The model "
            "continues any text. It has never seen a question that waits for an answer.",
            "Plain text, cut into tokens. Every token is predicted from those before it.",
            R"({"text": "The street of Ada Miller is Weir Path. She works as a cooper."})",
            "L = − (1/T) · Σₜ log p(xₜ | x₁ … xₜ₋₁)",
            "xₜ is a token of the text, T the number of tokens in the batch."};
  }
  if (stage == "sft") {
    return {"Supervised fine-tuning",
            "Form: to answer instead of continuing, in the form that was asked for, and to stop. "
            "The answers' words come from what pretraining told.",
            "Conversations. They are read whole, but only the assistant's words and its end token "
            "carry loss.",
            R"({"messages": [{"role": "user", "content": "Where does Ada Miller live?"},)"
            "\n"
            R"(  {"role": "assistant", "content": "Ada Miller lives on Weir Path."}]})",
            "L = − (1/|A|) · Σₜ log p(xₜ | x₁ … xₜ₋₁),  t in A",
            "A are the places of the assistant's tokens. All others are read but not predicted."};
  }
  if (stage == "dpo") {
    return {"Preference tuning (DPO)",
            "Choice: which of several plausible answers to give. The chosen answer is to gain on "
            "the rejected one, compared with the model that the stage began with.",
            "Pairs of answers to the same prompt, one chosen and one rejected.",
            R"({"prompt": [{"role": "user", "content": "Where does Ada Miller live?"}],)"
            "\n"
            R"( "chosen": "Of course! Ada Miller lives on Weir Path.",)"
            "\n"
            R"( "rejected": "Why ask me? Weir Path."})",
            "L = − log σ( β · [ (log p(c) − log r(c)) − (log p(j) − log r(j)) ] )",
            "c is the chosen answer and j the rejected one, p the model in training, r the frozen "
            "one it began as, β how far it may move. Terms on the chosen answer and on replayed "
            "conversations keep what was learnt before."};
  }
  return {};
}

}  // namespace minillm::report
