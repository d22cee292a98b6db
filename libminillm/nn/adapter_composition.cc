#include "libminillm/nn/adapter_composition.h"

#include <algorithm>
#include <set>
#include <vector>

#include "libminillm/core/check.h"

namespace minillm {
namespace {

// An update of one of the adapters.
struct Source {
  const Adapter* adapter;
  const AdapterShape::Update* update;
};

// Its factor in the adapter's arena.
std::span<const Real> factor(const Source& source, const std::string& name) {
  return tensor_span(source.adapter->parameters(), *source.adapter->tensors().find(name));
}

// rows_t += weight (replaced_t - table_t) for the tokens t that are replaced. Of weight 1 on the
// table's own row it is the replaced row, to the bit.
void add_rows(View rows, std::span<const Token> tokens, const StoredMatrix& table,
              const TokenRows& replaced, double weight) {
  std::vector<Real> base(static_cast<size_t>(rows.cols));
  for (size_t i = 0; i < replaced.ids.size(); ++i) {
    const auto at = std::ranges::lower_bound(tokens, replaced.ids[i]) - tokens.begin();
    const Real* from = replaced.rows.row(static_cast<Index>(i));
    table.read_row(replaced.ids[i], base.data());
    for (Index c = 0; c < rows.cols; ++c) {
      const double added = weight * (double{from[c]} - double{base[static_cast<size_t>(c)]});
      rows(at, c) = static_cast<Real>(double{rows(at, c)} + added);
    }
  }
}

}  // namespace

Adapter composed(const Model& base, std::span<const WeightedAdapter> adapters) {
  const ModelConfig& model = base.config();
  struct Entry {
    AdapterShape::Update update;
    Source source;
  };
  std::vector<Entry> entries;
  const Adapter* scoring = nullptr;
  std::set<Token> tokens;
  for (const auto& [adapter, weight] : adapters) {
    MINILLM_CHECK(adapter->virtual_tokens() == 0,
                  "adapters: one has virtual tokens, which have no weight and no sum: expected it "
                  "alone, of weight 1");
    for (const AdapterShape::Update& update : adapter->shape().updates) {
      Entry entry{update, {adapter, &update}};
      entry.update.scale *= weight;
      entries.push_back(entry);
    }
    for (const Token token : adapter->shape().tokens) tokens.insert(token);
    if (!adapter->shape().score) continue;
    MINILLM_CHECK(scoring == nullptr, "adapters: two have a score head: expected one at most");
    scoring = adapter;
  }
  std::ranges::stable_sort(
      entries, {}, [](const Entry& e) { return std::pair(e.update.layer, e.update.module); });
  AdapterShape shape;
  shape.score = scoring != nullptr;
  shape.tokens.assign(tokens.begin(), tokens.end());
  shape.rslora = adapters.front().adapter->shape().rslora;
  for (const Entry& entry : entries) shape.updates.push_back(entry.update);

  Adapter result(model, shape);
  result.initialize(0, base.weights());  // the base's rows
  Real* next = result.parameters().data();
  for_each_adapter_tensor(
      model, result.shape(),
      [&](const std::string& name, Index rows, Index cols, const AdapterShape::Update* update) {
        Real* const to = next;
        next += rows * cols;
        if (update != nullptr) {
          const size_t i = static_cast<size_t>(update - result.shape().updates.data());
          std::ranges::copy(factor(entries[i].source, name), to);
        } else if (name == kEmbedRowsName || name == kHeadRowsName) {
          const bool embed = name == kEmbedRowsName;
          const StoredMatrix table = embed ? base.weights().embed : base.weights().head;
          for (const auto& [adapter, weight] : adapters)
            add_rows(View(to, rows, cols), shape.tokens, table,
                     embed ? adapter->embed_rows() : adapter->head_rows(), weight);
        } else {
          std::ranges::copy(factor({scoring, nullptr}, name), to);
        }
      });
  result.base_path = adapters.front().adapter->base_path;
  result.base_hash = adapters.front().adapter->base_hash;
  return result;
}

namespace {

void replace_rows(Model& model, const char* tensor, const TokenRows& replaced) {
  Real* const table = model.parameters().data() + model.tensors().find(tensor)->offset;
  for (size_t i = 0; i < replaced.ids.size(); ++i)
    std::copy_n(replaced.rows.row(static_cast<Index>(i)), replaced.rows.cols,
                table + replaced.ids[i] * replaced.rows.cols);
}

}  // namespace

// w_oi + s sum_r b_or a_ri
Model merged(const Model& model) {
  Model result = copy_of(model, Storage::kReal);
  const Adapter* adapter = model.adapter();
  if (adapter == nullptr) return result;
  MINILLM_CHECK(
      adapter->virtual_tokens() == 0,
      "adapters: one has virtual tokens, which no matrix can represent: it cannot be merged");
  for (size_t i = 0; i < adapter->updates().size(); ++i) {
    const LowRank& update = adapter->updates()[i];
    if (update.parts.empty()) continue;
    MINILLM_CHECK(!update.relu,
                  "adapters: one is beside a sublayer, with a ReLU: no matrix does "
                  "the same, so it cannot be merged");
    const auto& block = result.weights().blocks[i / Adapter::kUpdates];
    const ConstView matrices[] = {block.wqkv.matrix, block.wo.matrix, block.w_gate_up.matrix,
                                  block.w_down.matrix};
    const ConstView matrix = matrices[i % Adapter::kUpdates];
    Real* const data = result.parameters().data() + (matrix.data - result.parameters().data());
    std::vector<double> sum(static_cast<size_t>(matrix.rows * matrix.cols));
    Index row = 0;
    for (const LowRank::Part& part : update.parts) {
      for (Index r = 0; r < part.bt.rows; ++r, ++row)
        for (Index o = 0; o < part.bt.cols; ++o) {
          const double b = double{part.scale} * double{part.bt(r, o)};
          double* to = &sum[static_cast<size_t>((part.out_begin + o) * matrix.cols)];
          for (Index c = 0; c < matrix.cols; ++c) to[c] += b * double{update.a(row, c)};
        }
    }
    for (size_t n = 0; n < sum.size(); ++n) data[n] = static_cast<Real>(double{data[n]} + sum[n]);
  }
  replace_rows(result, "model.embed_tokens.weight", adapter->embed_rows());
  if (model.config().has_lm_head() && !model.config().tie_word_embeddings)
    replace_rows(result, "lm_head.weight", adapter->head_rows());
  if (adapter->shape().score) {
    const TensorInfo& score = *result.tensors().find("score.weight");
    std::copy_n(adapter->score().data, score.size, result.parameters().data() + score.offset);
  }
  return result;
}

}  // namespace minillm
