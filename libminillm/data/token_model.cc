#include "libminillm/data/token_model.h"

#include <fmt/format.h>

#include <optional>

namespace minillm {

std::set<size_t> TokenModel::take_special(const SpecialTokens& special) {
  own_pieces = pieces.size();
  std::set<size_t> retyped;
  const auto make_control = [&](std::optional<Token> id) {
    if (!id || *id < 0 || static_cast<size_t>(*id) >= own_pieces) return;
    PieceType& type = pieces[static_cast<size_t>(*id)].type;
    if (type != PieceType::kNormal && type != PieceType::kUserDefined) return;
    type = PieceType::kControl;
    retyped.insert(static_cast<size_t>(*id));
  };
  for (const std::optional<Token>& id : {special.bos, special.eos, special.pad}) make_control(id);
  for (const AddedToken& token : special.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id < own_pieces && token.special && pieces[id].text == token.text) make_control(token.id);
  }
  for (const AddedToken& token : special.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id < own_pieces) continue;
    for (size_t gap = pieces.size(); gap <= id; ++gap)
      pieces.push_back({fmt::format("[PAD{}]", gap), -10000, PieceType::kUnused});
    pieces[id] = {token.text, 0, token.special ? PieceType::kControl : PieceType::kUserDefined};
  }
  return retyped;
}

}  // namespace minillm
