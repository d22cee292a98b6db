#include "libminillm/data/jinja.h"

#include <memory>

#include "libminillm/data/jinja_expression.h"
#include "libminillm/data/jinja_lexer.h"

namespace minillm {
namespace {

using Value = nlohmann::ordered_json;

constexpr int kMaxSteps = 20000, kMaxDepth = 32;

// Runs the parts one after another; branches that are not taken are skipped.
class Interpreter {
 public:
  Interpreter(const std::vector<JinjaPart>& parts, const Value& variables) : parts_(parts) {
    for (const auto& [name, value] : variables.items()) scope_[name] = value;
  }

  std::string run() {
    run_block(/*takes=*/true);
    if (position_ < parts_.size()) throw JinjaError("an end without a beginning");
    return std::move(output_);
  }

 private:
  // The first token of a statement, "" for other parts.
  std::string keyword() const {
    const JinjaPart& part = parts_[position_];
    return part.kind == JinjaPart::kStatement && part.tokens[0].kind == JinjaToken::kName
               ? part.tokens[0].text
               : "";
  }

  // Up to the statement that ends the block, which is not run.
  void run_block(bool takes) {
    if (++depth_ > kMaxDepth) throw JinjaError("nested too deeply");
    for (; position_ < parts_.size(); ++position_) {
      if (++steps_ > kMaxSteps) throw JinjaError("too many steps");
      const JinjaPart& part = parts_[position_];
      const std::string word = keyword();
      if (part.kind == JinjaPart::kText) {
        if (takes) output_ += part.text;
      } else if (part.kind == JinjaPart::kOutput) {
        if (takes) output_ += output_of(part);
      } else if (word == "if") {
        run_if(takes);
      } else if (word == "for") {
        run_for(takes);
      } else if (word == "set") {
        if (takes) set(part);
      } else if (word == "elif" || word == "else" || word == "endif" || word == "endfor") {
        break;
      } else if (word != "generation" && word != "endgeneration") {  // Hugging Face's own marks
        throw JinjaError("a statement that is not understood: " + word);
      }
    }
    --depth_;
  }

  Value evaluate(const JinjaPart& part, size_t from) {
    JinjaExpression expression(part.tokens, from, scope_);
    Value value = expression.evaluate();
    expression.expect_end();
    return value;
  }

  std::string output_of(const JinjaPart& part) {
    if (part.tokens[0].text == "raise_exception" && part.tokens[0].kind == JinjaToken::kName)
      throw JinjaRefusal();
    return to_text(evaluate(part, 0));
  }

  void set(const JinjaPart& part) {
    const std::vector<JinjaToken>& t = part.tokens;
    const auto symbol = [&](size_t i, const char* text) {
      return i < t.size() && t[i].text == text;
    };
    if (t.size() > 3 && t[1].kind == JinjaToken::kName && symbol(2, "=")) {
      scope_[t[1].text] = evaluate(part, 3);
    } else if (t.size() > 5 && symbol(2, ".") && symbol(4, "=")) {
      // A namespace outlives the loop in which it is changed.
      spaces_[t[1].text][t[3].text] = evaluate(part, 5);
      scope_[t[1].text][t[3].text] = spaces_[t[1].text][t[3].text];
    } else {
      throw JinjaError("a set that is not understood");
    }
  }

  void run_if(bool takes) {
    bool done = !takes;
    for (std::string word = "if"; word != "endif"; word = keyword()) {
      const bool branch = !done && (word == "else" || is_true(evaluate(parts_[position_], 1)));
      if (word != "if" && word != "elif" && word != "else") throw JinjaError("a broken if");
      done = done || branch;
      ++position_;
      run_block(branch);
      if (position_ == parts_.size()) throw JinjaError("an if without an end");
    }
  }

  void run_for(bool takes) {
    const std::vector<JinjaToken>& t = parts_[position_].tokens;
    const auto name_at = [&](size_t i) {
      if (i >= t.size() || t[i].kind != JinjaToken::kName)
        throw JinjaError("a for that is not understood");
      return t[i].text;
    };
    std::vector<std::string> names = {name_at(1)};
    if (t.size() > 3 && t[2].text == ",") names.push_back(name_at(3));
    const size_t in = 2 * names.size();
    if (name_at(in) != "in") throw JinjaError("a for that is not understood");
    const JinjaScope outside = scope_;
    Value list = Value::array();
    if (takes) {
      JinjaExpression expression(t, in + 1, scope_);
      list = expression.evaluate_list();
      if (!list.is_array()) throw JinjaError("a for over what is no list");
      if (expression.take_if())
        list = filtered(list, names, t, expression.position());
      else
        expression.expect_end();
    }
    const size_t begin = position_ + 1;
    for (size_t i = 0; i < list.size(); ++i) {
      scope_ = outside;  // what a round sets ends with it
      for (const auto& [name, members] : spaces_) scope_[name].update(members);
      bind(names, list[i]);
      scope_["loop"] = {{"first", i == 0},
                        {"last", i + 1 == list.size()},
                        {"index", i + 1},
                        {"index0", i},
                        {"length", list.size()}};
      run_body(begin, true);
    }
    scope_ = outside;
    for (const auto& [name, members] : spaces_) scope_[name].update(members);
    if (list.empty()) run_body(begin, false);
  }

  void bind(const std::vector<std::string>& names, const Value& value) {
    if (names.size() == 1) {
      scope_[names[0]] = value;
      return;
    }
    if (!value.is_array() || value.size() != names.size())
      throw JinjaError("a for over what are no pairs");
    for (size_t i = 0; i < names.size(); ++i) scope_[names[i]] = value[i];
  }

  // Those for which the condition at token `from` holds.
  Value filtered(const Value& list, const std::vector<std::string>& names,
                 const std::vector<JinjaToken>& tokens, size_t from) {
    Value chosen = Value::array();
    for (const Value& value : list) {
      bind(names, value);
      JinjaExpression condition(tokens, from, scope_);
      if (is_true(condition.evaluate())) chosen.push_back(value);
      condition.expect_end();
    }
    return chosen;
  }

  void run_body(size_t begin, bool takes) {
    position_ = begin;
    run_block(takes);
    if (position_ == parts_.size() || keyword() != "endfor") throw JinjaError("a broken for");
  }

  const std::vector<JinjaPart>& parts_;
  size_t position_ = 0;
  JinjaScope scope_;
  std::map<std::string, Value> spaces_;  // what was set in namespaces
  std::string output_;
  int steps_ = 0, depth_ = 0;
};

}  // namespace

std::string render_jinja(std::string_view text, const Value& variables) {
  const std::vector<JinjaPart> parts = split_jinja(text);
  try {
    return Interpreter(parts, variables).run();
  } catch (const nlohmann::json::exception& error) {
    throw JinjaError(error.what());  // a member of what has none
  }
}

}  // namespace minillm
