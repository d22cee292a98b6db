// The laboratory's other trials (of scale, of proxies, of the diagnosis) as sections of its page.

#ifndef LIBMINILLM_LAB_TRIAL_SECTION_H_
#define LIBMINILLM_LAB_TRIAL_SECTION_H_

#include <string>

#include "libminillm/lab/result.h"

namespace minillm::lab {

// Of our own Markdown: headings, paragraphs with **strong** parts, tables.
// Returns HTML; headings of the first level are left out.
std::string html_of_markdown(const std::string& markdown);

// A section of the page. Styles of the figure get `nonce`.
std::string trial_section(const TrialFiles& trial, const std::string& nonce);

}  // namespace minillm::lab

#endif  // LIBMINILLM_LAB_TRIAL_SECTION_H_
