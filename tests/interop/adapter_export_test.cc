// Adapters in the formats of llama.cpp and mlx-lm, read as these programs read them: what they add
// to a matrix is what merging adds.

#include "libminillm/interop/adapter_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "libminillm/core/file.h"
#include "libminillm/interop/mlx_adapter_import.h"
#include "libminillm/nn/adapter_composition.h"
#include "tests/interop/export_sample.h"
#include "tests/interop/gguf_reader.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/tiny_model.h"

namespace minillm {
namespace {

using minillm_testing::ExportSample;

// The sample's model with an adapter that others have a place for.
class AdapterExport : public testing::Test {
 protected:
  // Every update of rank 3; its scale is `scale` times 1, or 1 and 2 in turn.
  void save(double scale, bool in_turn) {
    AdapterShape shape;
    for (Index layer = 0; layer < model_.config().num_hidden_layers; ++layer)
      for (int m = 0; m < kMatrixModules; ++m)
        shape.updates.push_back({layer, static_cast<Module>(m), 3,
                                 scale * (in_turn ? 1 + (m + static_cast<int>(layer)) % 2 : 1)});
    const auto adapter = std::make_shared<Adapter>(model_.config(), shape);
    Rng rng(7);
    for (Real& w : adapter->parameters()) w = static_cast<Real>(0.1 * rng.normal());
    adapter->base_path = sample_.path();
    model_.adapt(adapter);
    write_checkpoint(sample_.file("adapter"), {&model_, nullptr, {}, {}});
  }
  Checkpoint adapter() const { return Checkpoint::open(sample_.file("adapter")); }
  // What merging adds to element (row, col) of a module's matrix.
  double added(const std::string& module, Index row, Index col) const {
    const Model whole = merged(model_);
    const TensorInfo& tensor = *whole.tensors().find(module + ".weight");
    const Index at = tensor.offset + row * tensor.shape[1] + col;
    return double{whole.parameters()[static_cast<size_t>(at)]} -
           double{model_.parameters()[static_cast<size_t>(at)]};
  }

  const ExportSample sample_;
  Model model_ = sample_.checkpoint().load_model();
};

std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST_F(AdapterExport, AddsInLlamaCppWhatMergingAdds) {
  for (const auto& [scale, in_turn] : {std::pair(0.5, false), {2.0, true}}) {
    std::filesystem::remove(sample_.file("a.gguf"));
    std::filesystem::remove_all(sample_.file("adapter"));
    save(scale, in_turn);
    export_gguf_adapter(adapter(), sample_.file("a.gguf"));
    const minillm_testing::GgufFile file =
        minillm_testing::GgufParser(read_file(sample_.file("a.gguf"))).parse();
    EXPECT_EQ(file.values.at("general.type").text, "adapter");
    EXPECT_EQ(file.values.at("adapter.type").text, "lora");
    EXPECT_FLOAT_EQ(static_cast<float>(file.values.at("adapter.lora.alpha").number),
                    static_cast<float>(3 * scale));
    const Index D = model_.config().head_dim;
    for (const auto& [ours, theirs] : {std::pair("self_attn.q_proj", "attn_q"),
                                       {"self_attn.k_proj", "attn_k"},
                                       {"mlp.down_proj", "ffn_down"},
                                       {"self_attn.o_proj", "attn_output"}}) {
      const std::string name = std::string("blk.1.") + theirs + ".weight.lora_";
      const auto &a = file.tensors.at(name + "a"), &b = file.tensors.at(name + "b");
      const std::vector<float> av = floats_of(a.bytes), bv = floats_of(b.bytes);
      const auto in = static_cast<size_t>(a.ne[0]), rank = static_cast<size_t>(a.ne[1]);
      ASSERT_EQ(b.ne[0], rank);
      const double s = file.values.at("adapter.lora.alpha").number / static_cast<double>(rank);
      for (size_t row = 0; row < b.ne[1]; ++row) {
        // Row 2i + j of a head in llama.cpp's order is row j D/2 + i here.
        const auto r = static_cast<Index>(row);
        const bool turned = std::string(theirs) == "attn_q" || std::string(theirs) == "attn_k";
        const Index own = turned ? r / D * D + r % D % 2 * (D / 2) + r % D / 2 : r;
        for (const size_t col : {size_t{0}, in - 1}) {
          double sum = 0;
          for (size_t k = 0; k < rank; ++k) sum += s * bv[row * rank + k] * av[k * in + col];
          ASSERT_NEAR(
              sum, added(std::string("model.layers.1.") + ours, own, static_cast<Index>(col)), 1e-6)
              << name << row;
        }
      }
    }
  }
}

TEST_F(AdapterExport, AddsInMlxWhatMergingAdds) {
  save(0.5, false);
  export_mlx_adapter(adapter(), sample_.file("mlx"));
  const auto config =
      nlohmann::json::parse(read_file(join_path(sample_.file("mlx"), "adapter_config.json")));
  EXPECT_EQ(config["lora_parameters"]["scale"], 0.5);
  EXPECT_EQ(config["lora_parameters"]["rank"], 3);
  EXPECT_EQ(config["num_layers"], model_.config().num_hidden_layers);
  const SafetensorsFile file(join_path(sample_.file("mlx"), "adapters.safetensors"));
  const auto read = [&](const std::string& name) {
    const SafetensorsTensor& tensor = *file.find("model.layers.1.mlp.up_proj." + name);
    std::vector<Real> values(static_cast<size_t>(tensor.size));
    file.read(tensor, values);
    return std::pair(tensor.shape, values);
  };
  const auto [a_shape, a] = read("lora_a");  // [in, r]
  const auto [b_shape, b] = read("lora_b");  // [r, out]
  ASSERT_EQ(a_shape[1], 3);
  ASSERT_EQ(b_shape[0], 3);
  for (Index row = 0; row < b_shape[1]; ++row) {
    double sum = 0;
    for (Index k = 0; k < 3; ++k)
      sum += 0.5 * double{a[static_cast<size_t>(2 * 3 + k)]} *
             double{b[static_cast<size_t>(k * b_shape[1] + row)]};
    ASSERT_NEAR(sum, added("model.layers.1.mlp.up_proj", row, 2), 1e-6);
  }
  std::filesystem::remove_all(sample_.file("adapter"));
  save(1, true);
  EXPECT_ERROR(export_mlx_adapter(adapter(), sample_.file("other")), "has another rank or scale");
}

TEST_F(AdapterExport, OfMlxIsReadBackToTheBit) {
  save(0.5, false);
  const std::string mlx = sample_.file("mlx");
  export_mlx_adapter(adapter(), mlx);
  const Checkpoint base = sample_.checkpoint();
  const Adapter back = import_mlx_adapter(mlx, base);
  EXPECT_EQ(back.shape(), model_.adapter()->shape());
  EXPECT_TRUE(std::ranges::equal(back.parameters(), model_.adapter()->parameters()));
  EXPECT_EQ(back.base_hash, base.weights_hash());
  EXPECT_ERROR(import_mlx_adapter(mlx, adapter()), "is an adapter: expected a model");
}

// mlx-lm loads with strict=False: what does not fit is left out there, in silence.
TEST_F(AdapterExport, OfMlxWithWhatDoesNotFitIsRefused) {
  save(0.5, false);
  const std::string mlx = sample_.file("mlx");
  export_mlx_adapter(adapter(), mlx);
  const Checkpoint base = sample_.checkpoint();
  const std::string path = join_path(mlx, "adapter_config.json");
  const auto config = nlohmann::json::parse(read_file(path));
  const auto with = [&](auto change) {
    auto changed = config;
    change(changed);
    write_file_atomic(path, changed.dump());
  };
  with([](auto& j) { j["fine_tune_type"] = "dora"; });
  EXPECT_ERROR(import_mlx_adapter(mlx, base), "'fine_tune_type': expected \"lora\", got \"dora\"");
  with([](auto& j) { j["num_layers"] = 1; });
  EXPECT_ERROR(import_mlx_adapter(mlx, base), "expected only the last 1 layers");
  with([](auto& j) { j["num_layers"] = 99; });
  EXPECT_ERROR(import_mlx_adapter(mlx, base), "'num_layers': expected at most the base's");
  with([](auto& j) { j["lora_parameters"]["rank"] = 4; });
  EXPECT_ERROR(import_mlx_adapter(mlx, base), "expected shape [");
  with([](auto& j) { j["lora_parameters"].erase("scale"); });
  EXPECT_ERROR(import_mlx_adapter(mlx, base), "'scale'");
  with([](auto& j) { j["num_layers"] = -1; });
  EXPECT_EQ(import_mlx_adapter(mlx, base).shape(), model_.adapter()->shape());
  const std::vector<Real> values(6);
  const SafetensorsImage wrong(
      std::vector<NamedTensor>{{"model.layers.0.self_attn.qproj.lora_a", {2, 3}, values}}, {});
  std::string bytes;
  for (const std::string_view piece : wrong.pieces()) bytes += piece;
  write_file_atomic(join_path(mlx, "adapters.safetensors"), bytes);
  EXPECT_ERROR(import_mlx_adapter(mlx, base), "is no factor of a matrix of this base");
}

TEST_F(AdapterExport, OfOtherKindsThanLoraHasNoPlace) {
  for (const auto kind : minillm_testing::kAdapterKinds) {
    if (kind == minillm_testing::AdapterKind::kLora) continue;
    const auto other = minillm_testing::random_adapter(kind, model_.config());
    other->base_path = sample_.path();
    model_.adapt(other);
    const std::string path = sample_.file(minillm_testing::name_of(kind));
    write_checkpoint(path, {&model_, nullptr, {}, {}});
    EXPECT_ERROR(export_gguf_adapter(Checkpoint::open(path), sample_.file("x")),
                 "which a GGUF adapter has no place for: expected LoRA");
    EXPECT_ERROR(export_mlx_adapter(Checkpoint::open(path), sample_.file("x")),
                 "which mlx-lm has no place for: expected LoRA");
  }
}

TEST_F(AdapterExport, RefusesWhatTheFormatsHaveNoPlaceFor) {
  EXPECT_ERROR(export_gguf_adapter(sample_.checkpoint(), sample_.file("x")), "is no adapter");
  const auto with_rows = minillm_testing::random_adapter(model_.config());
  with_rows->base_path = sample_.path();
  model_.adapt(with_rows);
  write_checkpoint(sample_.file("adapter"), {&model_, nullptr, {}, {}});
  EXPECT_ERROR(export_gguf_adapter(adapter(), sample_.file("x")), "replaces rows of the embedding");
  EXPECT_ERROR(export_mlx_adapter(adapter(), sample_.file("x")), "replaces rows of the embedding");
  std::filesystem::remove_all(sample_.file("adapter"));
  save(1, false);
  const Checkpoint::AdapterArgument again[] = {{sample_.file("adapter"), 1}};
  EXPECT_ERROR(export_gguf_adapter(adapter().with_adapters(again), sample_.file("x")),
               "several adapters: expected one");
  const MergeLoss loss = merge_loss(model_, merged(model_));
  EXPECT_GT(loss.numbers, loss.unmoved_in_bfloat16);
}

}  // namespace
}  // namespace minillm
