/* The C interface, used from C: train, stop in a callback, continue, load, speak, fail. */

#define _POSIX_C_SOURCE 200809L /* fork, alarm */

#include "libminillm/c/minillm_c.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int g_failures = 0;

#define EXPECT(fact)                                                                      \
  do {                                                                                    \
    if (!(fact)) {                                                                        \
      fprintf(stderr, "%s:%d: expected %s (last error: %s)\n", __FILE__, __LINE__, #fact, \
              minillm_last_error());                                                      \
      ++g_failures;                                                                       \
    }                                                                                     \
  } while (0)

struct heard {
  int64_t steps, stop_after;
  double last_loss;
  int messages;
};

static int on_step(const minillm_step* step, void* user) {
  struct heard* heard = user;
  heard->steps = step->step;
  heard->last_loss = step->loss;
  return heard->stop_after > 0 && step->step >= heard->stop_after;
}

static void on_message(const char* message, void* user) {
  struct heard* heard = user;
  heard->messages += message[0] != '\0';
}

struct text {
  char bytes[4096];
  size_t size;
  int pieces, stop_after;
};

static int on_text(const char* piece, void* user) {
  struct text* text = user;
  const size_t size = strlen(piece);
  if (text->size + size < sizeof(text->bytes)) {
    memcpy(text->bytes + text->size, piece, size + 1);
    text->size += size;
  }
  ++text->pieces;
  return text->stop_after > 0 && text->pieces >= text->stop_after;
}

static void write_text(const char* path, const char* format, int lines) {
  FILE* file = fopen(path, "w");
  if (file == NULL) {
    fprintf(stderr, "cannot write %s\n", path);
    exit(1);
  }
  for (int i = 0; i < lines; ++i) fprintf(file, format, i % 10, i % 7);
  fclose(file);
}

int main(int argc, char** argv) {
  char command[1024], corpus[1024], chats[1024], base[1024], chat[1024], chats_dir[1024];
  const char* directory = argc > 1 ? argv[1] : "c-interface-runs";
  snprintf(command, sizeof(command), "rm -rf '%s' && mkdir -p '%s'", directory, directory);
  if (system(command) != 0) return 1;
  snprintf(corpus, sizeof(corpus), "%s/corpus.txt", directory);
  snprintf(chats, sizeof(chats), "%s/chats.jsonl", directory);
  snprintf(base, sizeof(base), "%s/base", directory);
  snprintf(chat, sizeof(chat), "%s/chat", directory);
  snprintf(chats_dir, sizeof(chats_dir), "%s/nowhere", directory);
  write_text(corpus, "The baker has %d loaves and %d plums.\n\n", 200);
  write_text(chats,
             "{\"messages\":[{\"role\":\"user\",\"content\":\"How many %d?\"},"
             "{\"role\":\"assistant\",\"content\":\"There are %d.\"}]}\n",
             40);
  EXPECT(strcmp(minillm_version(), "0.1.0") == 0);

  /* A stage that the callback stops, and that is then continued. */
  const char* train_files[] = {corpus, NULL};
  const char* settings[] = {"model.vocab_size=300",
                            "model.hidden_size=16",
                            "model.intermediate_size=32",
                            "model.num_hidden_layers=1",
                            "model.num_attention_heads=2",
                            "model.num_key_value_heads=1",
                            "model.head_dim=8",
                            "model.max_position_embeddings=64",
                            "train.steps=12",
                            "train.batch_tokens=128",
                            NULL};
  struct heard heard = {0, 5, 0, 0};
  minillm_training training = minillm_training_defaults();
  training.stage = "pretrain";
  training.train_files = train_files;
  training.settings = settings;
  training.out = base;
  training.on_step = on_step;
  training.on_message = on_message;
  training.user = &heard;
  EXPECT(minillm_train(&training) == MINILLM_INTERRUPTED);
  EXPECT(heard.steps == 5 && heard.messages > 0 && isfinite(heard.last_loss));
  EXPECT(minillm_train(&training) == MINILLM_USAGE); /* it holds a run already */
  EXPECT(strstr(minillm_last_error(), "already holds a run") != NULL);
  training.resume = 1;
  heard.stop_after = 0;
  EXPECT(minillm_train(&training) == MINILLM_OK);
  EXPECT(heard.steps == 12);

  minillm_training sft = minillm_training_defaults();
  const char* sft_files[] = {chats, NULL};
  const char* sft_settings[] = {"train.steps=3", "train.batch_tokens=128", NULL};
  sft.stage = "sft";
  sft.train_files = sft_files;
  sft.settings = sft_settings;
  sft.init_from = base;
  sft.out = chat;
  sft.chat_template = "alpaca";
  EXPECT(minillm_train(&sft) == MINILLM_USAGE);
  EXPECT(strstr(minillm_last_error(), "chatml-space-v1, chatml, zephyr") != NULL);
  sft.chat_template = "zephyr";
  EXPECT(minillm_train(&sft) == MINILLM_OK);

  /* An adapter: trained on the base, loaded beside it, chosen by the call. */
  char lora[512];
  snprintf(lora, sizeof(lora), "%s/lora", argv[1]);
  const char* lora_settings[] = {"train.steps=3", "train.batch_tokens=128", "lora.rank=2",
                                 "train.learning_rate=0.05", NULL};
  sft.settings = lora_settings;
  sft.out = lora;
  EXPECT(minillm_train(&sft) == MINILLM_OK);
  minillm_model *alone = minillm_load(base), *both = minillm_load(lora);
  EXPECT(alone != NULL && both != NULL);
  minillm_adapter* adapter = minillm_load_adapter(alone, lora, 1, 0);
  EXPECT(adapter != NULL);
  minillm_generation adapted = minillm_generation_defaults();
  adapted.max_tokens = 12;
  struct text with = {"", 0, 0, 0}, without = {"", 0, 0, 0}, loaded = {"", 0, 0, 0};
  EXPECT(minillm_chat(both, "How many 3?", &adapted, on_text, &loaded) == MINILLM_OK);
  EXPECT(minillm_generate(alone, "The baker", &adapted, on_text, &without) == MINILLM_OK);
  adapted.adapter = adapter;
  EXPECT(minillm_chat(alone, "How many 3?", &adapted, on_text, &with) == MINILLM_OK);
  EXPECT(strcmp(with.bytes, loaded.bytes) == 0);
  adapted.adapter = NULL;
  struct text again_without = {"", 0, 0, 0};
  EXPECT(minillm_generate(alone, "The baker", &adapted, on_text, &again_without) == MINILLM_OK);
  EXPECT(strcmp(without.bytes, again_without.bytes) == 0);
  EXPECT(minillm_load_adapter(both, lora, 1, 0) == NULL);
  EXPECT(strstr(minillm_last_error(), "expected the base") != NULL);
  EXPECT(minillm_load_adapter(alone, base, 1, 0) == NULL);
  EXPECT(strstr(minillm_last_error(), "holds no adapter") != NULL);
  EXPECT(minillm_load_adapter(NULL, lora, 1, 0) == NULL);
  minillm_free_adapter(adapter);
  minillm_free_adapter(NULL);
  minillm_free(alone);
  minillm_free(both);
  sft.settings = sft_settings;
  sft.out = chat;

  /* The model. */
  minillm_model* model = minillm_load(chat);
  EXPECT(model != NULL);
  if (model == NULL) return 1;
  EXPECT(minillm_vocab_size(model) == 300 && minillm_context_length(model) == 64);
  EXPECT(minillm_parameter_count(model) > 300 * 16);
  int32_t ids[64];
  const int64_t count = minillm_encode(model, "The baker", ids, 64);
  EXPECT(count > 0 && count <= 9);
  EXPECT(minillm_encode(model, "The baker", ids, 1) == count);
  EXPECT(minillm_encode(model, "\xff", ids, 64) == -1);
  EXPECT(strstr(minillm_last_error(), "not UTF-8") != NULL);
  double loss = 0;
  EXPECT(minillm_evaluate(model, "The baker has 3 loaves.", &loss) == MINILLM_OK && loss > 0);

  minillm_generation options = minillm_generation_defaults();
  options.max_tokens = 12;
  options.seed = 7;
  struct text first = {"", 0, 0, 0}, again = {"", 0, 0, 0}, stopped = {"", 0, 0, 2};
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &first) == MINILLM_OK);
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &again) == MINILLM_OK);
  EXPECT(first.size > 0 && strcmp(first.bytes, again.bytes) == 0);
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &stopped) == MINILLM_INTERRUPTED);
  EXPECT(stopped.pieces == 2 && strncmp(stopped.bytes, first.bytes, stopped.size) == 0);
  EXPECT(minillm_chat(model, "How many 3?", NULL, NULL, NULL) == MINILLM_OK);

  /* Ids there and back; a prompt of ids; a system prompt and a history are part of the prompt. */
  char decoded[64];
  EXPECT(minillm_decode(model, ids, minillm_encode(model, "The baker", ids, 64), decoded,
                        sizeof(decoded)) == 9);
  EXPECT(strcmp(decoded, "The baker") == 0);
  EXPECT(minillm_decode(model, ids, count, decoded, 4) == 9 && strcmp(decoded, "The") == 0);
  EXPECT(minillm_decode(model, ids, count, NULL, 0) == 9);
  options.temperature = 0;
  struct text from_ids = {"", 0, 0, 0}, plain = {"", 0, 0, 0}, cut = {"", 0, 0, 0};
  int32_t with_bos[65] = {1};
  memcpy(with_bos + 1, ids, (size_t)count * sizeof(int32_t));
  EXPECT(minillm_generate_ids(model, with_bos, count + 1, &options, on_text, &from_ids) ==
         MINILLM_OK);
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &plain) == MINILLM_OK);
  EXPECT(plain.size > 2 && strcmp(from_ids.bytes, plain.bytes) == 0);
  char ending[2] = {plain.bytes[plain.size / 2], '\0'};
  const char* stop[] = {ending, NULL};
  options.stop = stop;
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &cut) == MINILLM_OK);
  EXPECT(cut.size < plain.size && strstr(cut.bytes, ending) == NULL);
  EXPECT(strncmp(cut.bytes, plain.bytes, cut.size) == 0);
  options.stop = NULL;
  const minillm_message messages[] = {{"system", "Be brief."}, {"user", "How many 3?"}};
  struct text one = {"", 0, 0, 0}, two = {"", 0, 0, 0};
  EXPECT(minillm_chat_messages(model, messages, 2, &options, on_text, &one) == MINILLM_OK);
  options.system = "Be brief.";
  EXPECT(minillm_chat(model, "How many 3?", &options, on_text, &two) == MINILLM_OK);
  EXPECT(strcmp(one.bytes, two.bytes) == 0);
  /* What a text has to obey, in texts and in answers. */
  options.max_tokens = 40;
  options.schema = "{\"enum\": [\"loaf\"]}";
  struct text obeys = {"", 0, 0, 0}, answer = {"", 0, 0, 0}, spelled = {"", 0, 0, 0};
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &obeys) == MINILLM_OK);
  EXPECT(strcmp(obeys.bytes, "\"loaf\"") == 0);
  EXPECT(minillm_chat(model, "How many 3?", &options, on_text, &answer) == MINILLM_OK);
  EXPECT(strcmp(answer.bytes, "\"loaf\"") == 0);
  options.regex = "[1-3] loaves";
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &spelled) == MINILLM_USAGE);
  EXPECT(strstr(minillm_last_error(), "got both") != NULL);
  options.schema = NULL;
  EXPECT(minillm_generate(model, "The baker", &options, on_text, &spelled) == MINILLM_OK);
  EXPECT(spelled.size == 8 && strcmp(spelled.bytes + 1, " loaves") == 0);
  options.regex = "(";
  EXPECT(minillm_generate(model, "The baker", &options, on_text, NULL) == MINILLM_ERROR);
  options.regex = NULL;
  options.min_p = 2;
  EXPECT(minillm_chat(model, "x", &options, NULL, NULL) == MINILLM_USAGE);
  options = minillm_generation_defaults();

  /* Mistakes are reported, and nothing crashes. */
  EXPECT(minillm_load(chats_dir) == NULL && strstr(minillm_last_error(), "nowhere") != NULL);
  EXPECT(minillm_load(NULL) == NULL);
  EXPECT(minillm_generate(NULL, "x", NULL, NULL, NULL) == MINILLM_USAGE);
  EXPECT(minillm_generate(model, NULL, NULL, NULL, NULL) == MINILLM_USAGE);
  EXPECT(minillm_vocab_size(NULL) == -1 && minillm_context_length(NULL) == -1);
  EXPECT(minillm_parameter_count(NULL) == -1);
  EXPECT(strstr(minillm_last_error(), "argument 'model'") != NULL);
  EXPECT(minillm_encode(NULL, "x", ids, 64) == -1 && minillm_encode(model, NULL, ids, 64) == -1);
  EXPECT(minillm_encode(model, "x", NULL, 64) == -1 && minillm_encode(model, "x", ids, -1) == -1);
  EXPECT(minillm_encode(model, "x", NULL, 0) > 0);
  EXPECT(minillm_decode(NULL, ids, 1, decoded, 64) == -1);
  EXPECT(minillm_decode(model, NULL, 1, decoded, 64) == -1);
  EXPECT(minillm_decode(model, ids, 1, NULL, 64) == -1);
  EXPECT(minillm_decode(model, ids, -1, decoded, 64) == -1);
  const int32_t outside = 1 << 20;
  EXPECT(minillm_decode(model, &outside, 1, decoded, 64) == -1);
  EXPECT(minillm_generate_ids(model, &outside, 1, NULL, NULL, NULL) == MINILLM_ERROR);
  EXPECT(minillm_generate_ids(model, NULL, 1, NULL, NULL, NULL) == MINILLM_USAGE);
  EXPECT(minillm_evaluate(model, "x", NULL) == MINILLM_USAGE);
  EXPECT(minillm_evaluate(model, NULL, &loss) == MINILLM_USAGE);
  EXPECT(minillm_evaluate(NULL, "x", &loss) == MINILLM_USAGE);
  EXPECT(minillm_chat(NULL, "x", NULL, NULL, NULL) == MINILLM_USAGE);
  EXPECT(minillm_chat(model, NULL, NULL, NULL, NULL) == MINILLM_USAGE);
  EXPECT(minillm_chat_messages(model, NULL, 1, NULL, NULL, NULL) == MINILLM_USAGE);
  EXPECT(minillm_chat_messages(model, messages, 1, NULL, NULL, NULL) == MINILLM_USAGE);
  const minillm_message bad[] = {{"boss", "x"}, {"user", NULL}, {NULL, "x"}};
  for (int i = 0; i < 3; ++i)
    EXPECT(minillm_chat_messages(model, bad + i, 1, NULL, NULL, NULL) == MINILLM_USAGE);

  /* A child after fork() has threads of its own. */
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const int code = minillm_generate(model, "The baker", NULL, NULL, NULL);
    _exit(code != MINILLM_OK);
  }
  int status = 0;
  EXPECT(child > 0 && waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  options.temperature = -1;
  EXPECT(minillm_generate(model, "x", &options, NULL, NULL) == MINILLM_USAGE);
  options = minillm_generation_defaults();
  options.size = 100000;
  EXPECT(minillm_generate(model, "x", &options, NULL, NULL) == MINILLM_USAGE);
  sft.stage = "ppo";
  EXPECT(minillm_train(&sft) == MINILLM_USAGE);
  EXPECT(strstr(minillm_last_error(), "\"reward\" or \"rl\"") != NULL);
  EXPECT(minillm_train(NULL) == MINILLM_USAGE);
  minillm_free(model);
  minillm_free(NULL);
  if (g_failures == 0) puts("the C interface works");
  return g_failures == 0 ? 0 : 1;
}
