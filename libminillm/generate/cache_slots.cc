#include "libminillm/generate/cache_slots.h"

#include <algorithm>
#include <utility>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

Index common_beginning(std::span<const Token> a, std::span<const Token> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

}  // namespace

CacheSlots::CacheSlots(const ModelConfig& config, Index slots, Index rows)
    : config_(config),
      rows_(rows),
      slots_(static_cast<size_t>(slots)),
      cache_(config, slots * rows) {}

bool CacheSlots::any_free() const { return !std::ranges::all_of(slots_, &Slot::busy); }

CacheSlots::Place CacheSlots::take(const Tenant& tenant, std::span<const Token> sequence,
                                   bool reuse) {
  const Index size = std::ssize(sequence);
  Index from = -1, rows = 0;
  bool goes_on = false;
  for (Index s = 0; s < count() && reuse && !tenant.owner.empty(); ++s) {
    const Slot& slot = at(s);
    if (slot.tenant != tenant) continue;
    const Index common = common_beginning(slot.tokens, sequence);
    const bool continued = !slot.busy && common > 0 && common >= slot.prompt_rows;
    const Index usable = std::min(common, size - 1);
    if (usable > rows || (usable == rows && continued && !goes_on)) {
      from = s;
      rows = usable;
      goes_on = continued;
    }
  }
  const Index to = goes_on ? from : oldest_free();
  if (rows > 0 && to != from) cache_.copy(cache_, first_row(from), first_row(to), rows);
  Slot& taken = at(to);
  taken.tenant = tenant;
  taken.tokens.assign(sequence.begin(), sequence.begin() + rows);
  taken.prompt_rows = size;
  taken.busy = true;
  return {to, rows};
}

void CacheSlots::append(Index slot, std::span<const Token> tokens) {
  std::vector<Token>& held = at(slot).tokens;
  held.insert(held.end(), tokens.begin(), tokens.end());
  MINILLM_DCHECK(std::ssize(held) <= rows_);
}

void CacheSlots::copy(Index from, Index to, Index rows) {
  cache_.copy(cache_, first_row(from), first_row(to), rows);
  const std::vector<Token>& tokens = at(from).tokens;
  MINILLM_DCHECK(rows <= std::ssize(tokens));
  at(to).tokens.assign(tokens.begin(), tokens.begin() + rows);
}

void CacheSlots::release(Index slot, bool forget) {
  Slot& released = at(slot);
  released.busy = false;
  released.released = ++releases_;
  if (!forget && !released.tenant.owner.empty()) return;
  released = Slot();
}

void CacheSlots::grow(Index slots, Index rows) {
  slots = std::max(slots, count());
  rows = std::max(rows, rows_);
  if (slots == count() && rows == rows_) return;
  KvCache larger(config_, slots * rows);
  for (Index s = 0; s < count(); ++s)
    larger.copy(cache_, first_row(s), s * rows, std::ssize(at(s).tokens));
  cache_ = std::move(larger);
  rows_ = rows;
  slots_.resize(static_cast<size_t>(slots));
}

Index CacheSlots::oldest_free() const {
  Index oldest = -1;
  for (Index s = 0; s < count(); ++s) {
    const Slot& slot = slots_[static_cast<size_t>(s)];
    if (!slot.busy && (oldest < 0 || slot.released < slots_[static_cast<size_t>(oldest)].released))
      oldest = s;
  }
  return oldest;
}

}  // namespace minillm
