// What the server tells of itself: models, counters, defaults. Internal: public headers know no
// JSON library.

#ifndef LIBMINILLM_SERVE_DESCRIPTIONS_H_
#define LIBMINILLM_SERVE_DESCRIPTIONS_H_

#include <ctime>
#include <nlohmann/json.hpp>
#include <string>

#include "libminillm/serve/models.h"
#include "libminillm/serve/service.h"

namespace minillm {

// An entry of /v1/models, with what is known of the model under "meta".
nlohmann::ordered_json model_json(const ServedModel& model, std::time_t created);

// /metrics: Prometheus' text format 0.0.4, of all engines together.
std::string metrics_text(const Models& models);

// /props: defaults of requests, whether notes are looked up, names of the policy's rules, models.
nlohmann::ordered_json props_json(const Models& models, const ServiceConfig& config,
                                  std::time_t created);

}  // namespace minillm

#endif  // LIBMINILLM_SERVE_DESCRIPTIONS_H_
