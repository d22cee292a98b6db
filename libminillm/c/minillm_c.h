/* The C interface: load a model, let it speak, train a stage.
 *
 *   #include "libminillm/c/minillm_c.h"
 *
 *   static int print(const char* text, void* user) { (void)user; return fputs(text, stdout) < 0; }
 *
 *   minillm_model* model = minillm_load("runs/quickstart/dpo");
 *   minillm_generation options = minillm_generation_defaults();
 *   if (!model || minillm_chat(model, "Who are you?", &options, print, NULL) != MINILLM_OK)
 *     fprintf(stderr, "error: %s\n", minillm_last_error());
 *   minillm_free(model);
 *
 * Nothing is global except the last error, and each thread has its own: several models in one
 * process do not affect each other, and one model may generate in several threads at once. Texts
 * are UTF-8 and end with a zero. Arguments are only read during the call; NULL where something is
 * needed is an error like any other. A child of fork() may go on with its own copy of everything.
 *
 * Stable: before version 1.0, nothing here is removed or changes its meaning within a minor
 * version. Structs may grow at their end; `size`, which ..._defaults() fills in, tells how far.
 */

#ifndef LIBMINILLM_C_MINILLM_C_H_
#define LIBMINILLM_C_MINILLM_C_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The tools' exit codes. */
enum {
  MINILLM_OK = 0,
  MINILLM_ERROR = 1,        /* a file, the system, the data: see minillm_last_error() */
  MINILLM_USAGE = 2,        /* a wrong argument or config value */
  MINILLM_LOCKED = 3,       /* another process writes to the run directory */
  MINILLM_DIVERGED = 4,     /* ten steps in a row were not finite */
  MINILLM_INTERRUPTED = 130 /* a callback said stop; a training run was saved */
};

const char* minillm_version(void); /* "0.1.0" */

/* The message of this thread's last failed call; "" if none failed. Valid until the next call. */
const char* minillm_last_error(void);

/* --- a model ----------------------------------------------------------------- */

typedef struct minillm_model minillm_model;

/* A checkpoint or run directory with a tokenizer. NULL on error. */
minillm_model* minillm_load(const char* path);
void minillm_free(minillm_model* model); /* NULL is fine */

/* An adapter on a model, which is loaded once for all of them. */
typedef struct minillm_adapter minillm_adapter;

/* `path`: the adapter's directory, or that of a run that trained one. `weight`: 1 as it was
 * trained. `model` must be its base and outlive it; force != 0 takes an adapter of another base,
 * whose updates then mean nothing. Each call that generates chooses one
 * (minillm_generation.adapter); several calls may use it at once. NULL on error. */
minillm_adapter* minillm_load_adapter(const minillm_model* model, const char* path, double weight,
                                      int force);
void minillm_free_adapter(minillm_adapter* adapter); /* NULL is fine */

/* -1 on error. */
int64_t minillm_vocab_size(const minillm_model* model);
int64_t minillm_context_length(const minillm_model* model); /* tokens */
int64_t minillm_parameter_count(const minillm_model* model);

/* Ids of a text: no BOS, never a control id. Writes up to `capacity` ids; returns how many there
 * are in all, or -1 on error. */
int64_t minillm_encode(const minillm_model* model, const char* text, int32_t* ids,
                       int64_t capacity);

/* The text of ids. Writes up to `capacity` bytes, the last of them a zero; returns how many it has
 * in all, without the zero, or -1 on error. */
int64_t minillm_decode(const minillm_model* model, const int32_t* ids, int64_t count, char* text,
                       int64_t capacity);

/* Mean negative log-likelihood, in nats per token, of a text after BOS. Sets *loss. */
int minillm_evaluate(const minillm_model* model, const char* text, double* loss);

typedef struct {
  size_t size;
  int64_t max_tokens;        /* of the continuation */
  double temperature;        /* 0 = always the most probable token */
  int64_t top_k;             /* 0 = all */
  double top_p;              /* 1 = all */
  double repetition_penalty; /* 1 = none */
  uint64_t seed;             /* the same seed gives the same text */
  double min_p;              /* 0 = all; else at least this share of the most probable one's */
  const char* const* stop;   /* texts that end it, and are no part of it; ends with NULL; or NULL */
  const char* system;        /* for minillm_chat: a system prompt, or NULL */
  const minillm_adapter* adapter; /* of this model; NULL: the model as it was loaded */
  const char* schema; /* a JSON schema that the text obeys (constrain/json_schema.h), or NULL */
  const char* regex;  /* an expression that the whole text matches (constrain/regex.h), or NULL */
} minillm_generation;
minillm_generation minillm_generation_defaults(void);

/* Receives whole UTF-8 pieces as they become certain; returning anything but 0 stops the text. */
typedef int (*minillm_on_text)(const char* text, void* user);

/* Continues `prompt`; options may be NULL (defaults). MINILLM_INTERRUPTED if on_text stopped it. */
int minillm_generate(const minillm_model* model, const char* prompt,
                     const minillm_generation* options, minillm_on_text on_text, void* user);
/* Answers `question` through the chat template. */
int minillm_chat(const minillm_model* model, const char* question,
                 const minillm_generation* options, minillm_on_text on_text, void* user);

typedef struct {
  const char* role; /* "system", "user" or "assistant" */
  const char* content;
} minillm_message;
/* Answers a conversation of `count` messages, the last of them the user's. */
int minillm_chat_messages(const minillm_model* model, const minillm_message* messages, size_t count,
                          const minillm_generation* options, minillm_on_text on_text, void* user);

/* Continues a prompt of ids, which is taken as it is (no BOS is added). */
int minillm_generate_ids(const minillm_model* model, const int32_t* ids, int64_t count,
                         const minillm_generation* options, minillm_on_text on_text, void* user);

/* --- a stage ----------------------------------------------------------------- */

typedef struct {
  int64_t step, steps; /* done, and total */
  double loss, grad_norm, learning_rate, tokens_per_second, seconds_left;
} minillm_step;

typedef struct {
  size_t size;
  const char* stage;              /* "pretrain", "sft" or "dpo" */
  const char* const* train_files; /* ends with NULL */
  const char* const* eval_files;  /* likewise, or NULL */
  const char* const* replay_files;
  const char* const* settings; /* "train.steps=200", ...: keys of the config */
  const char* config;          /* a TOML recipe, or NULL */
  const char* init_from;       /* a checkpoint; NULL to pretrain from scratch */
  const char* tokenizer;       /* a sentencepiece model for pretraining from scratch, or NULL */
  const char* out;             /* the run directory */
  int resume;
  /* All optional. If on_step returns anything but 0, the run saves and stops. */
  int (*on_step)(const minillm_step* step, void* user);
  void (*on_message)(const char* message, void* user);
  void* user;
  const char* chat_template; /* for sft and dpo: "zephyr", ...; NULL: init_from's */
} minillm_training;
minillm_training minillm_training_defaults(void);

/* Trains to the end: MINILLM_OK; MINILLM_INTERRUPTED when on_step stopped it. */
int minillm_train(const minillm_training* training);

#ifdef __cplusplus
}
#endif

#endif /* LIBMINILLM_C_MINILLM_C_H_ */
