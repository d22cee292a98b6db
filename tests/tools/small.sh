# The small world and the small model that tests of the tools use. Sourced, with $bin.
small_world=(--stories 300 --sft-rows 120 --pairs 40 --replay-facts 20 --second-documents 50 --open-book-rows 60
  --open-book-documents 20 --tool-rows 60)
small_model=(--set model.vocab_size=600 --set model.hidden_size=32
  --set model.intermediate_size=64 --set model.num_attention_heads=4
  --set model.num_key_value_heads=2 --set model.head_dim=8 --set train.batch_tokens=512)

tool() { "$bin/minillm-$1" "${@:2}"; }
