// A step's text that the model before it has written: the recipe of experiments on models that are
// trained on what models say (Shumailov 2024, Nature 631:755).

#ifndef LIBMINILLM_LAB_OWN_TEXT_H_
#define LIBMINILLM_LAB_OWN_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "libminillm/lab/experiment.h"
#include "libminillm/train/trainer.h"
#include "libminillm/world/scoring.h"

namespace minillm::lab {

// As a part of keys.
std::string own_text_name(const OwnText& own);

// The path of what a step that is kept in `directory` is trained on, written where it is not
// there yet: documents that the model of the run directory `author` samples, those that are
// kept; with `own.with_stories` after what the author was trained on itself, if that was own
// text, and else after the first own.documents of the file `stories` (Gerstgrasser 2024,
// arXiv:2404.01413). The world's truth is that of `seed`. What was sampled is kept beside the
// author's run, figures of it in `directory`. Throws Error, kInterrupted where a stop is
// requested: files are whole or not there.
std::string write_own_text(const OwnText& own, uint64_t seed, const std::string& author,
                           const std::string& stories, const std::string& directory,
                           const TrainerEvents& events);
// What that path is, whether it is there or not.
std::string own_text_path(const std::string& directory);

// Of what the author of a step's text wrote, before any of it was left out; `of` 0 if the step
// had no such text: own_text_untrue_rate (of its facts), own_text_untrue_document_rate,
// own_text_facts and own_text_people (the different ones that it tells truly, of all that there
// are).
std::vector<world::WorldMetric> own_text_metrics(const std::string& directory);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_OWN_TEXT_H_
