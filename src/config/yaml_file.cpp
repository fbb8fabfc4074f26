// Reads settings event by event, so that no node graph is ever built from a stranger's file.
#include "config/yaml_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::config {
namespace {

using core::cat;
using core::UserError;

class SettingsHandler : public YAML::EventHandler {
 public:
  SettingsHandler(const std::string& source, const std::vector<Field>& fields)
      : source_(source), fields_(fields) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(mark, "a second document begins here; expected one map of settings");
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    fail(mark, cat("anchor ", in_quotes("&" + name), " is not supported; write the value itself"));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(mark, "aliases (*name) are not supported; write the value itself");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (!in_map_) return;  // a file of comments alone
    if (!field_) fail(mark, "a setting without a name; expected 'name: value'");
    reject(items_ ? "a list with an empty place" : "nothing");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    if (!in_map_)
      fail(mark, cat("found ", in_quotes(value), ", expected lines of the form 'name: value'"));
    if (tag != "?" && tag != "!")
      fail(mark, cat("tag ", in_quotes(tag), " is not supported; remove it"));
    if (!field_) return take_key(mark, value);
    const bool is_quoted = tag == "!";
    if (is_quoted && (items_ || !is_text(*field_))) reject("the text " + in_quotes(value));
    if (items_) {
      if (value.find(',') != std::string::npos) reject("the list entry " + in_quotes(value));
      items_->push_back(value);
      return;
    }
    take_value(value, in_quotes(value));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    if (items_ || !field_ || !is_list(*field_))
      nested(mark, items_ ? "a list in a list" : "a list");
    if (tag != "?" && !tag.empty())
      fail(mark, cat("tag ", in_quotes(tag), " is not supported; remove it"));
    items_.emplace();
  }
  void OnSequenceEnd() override {
    std::string text;
    for (size_t i = 0; i < items_->size(); ++i) text += (i == 0 ? "" : ",") + (*items_)[i];
    items_.reset();
    take_value(text, "the list " + in_quotes(text));
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    if (in_map_) nested(mark, "a map");
    in_map_ = true;
  }
  void OnMapEnd() override {}

 private:
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
    throw UserError(cat(source_, ":", mark.line + 1, ": ", what));
  }
  // At the key's place: a missing value's own is wherever the next word stands.
  [[noreturn]] void reject(const std::string& found) const {
    fail(key_mark_, cat(field_->name, ": found ", found, ", expected ", expectation(*field_)));
  }
  [[noreturn]] void nested(const YAML::Mark& mark, const std::string& found) const {
    if (field_) reject(found);
    fail(mark, cat("found ", found, ", expected lines of the form 'name: value'"));
  }

  void take_value(const std::string& value, const std::string& described) {
    if (!assign(*field_, value)) reject(described);
    field_ = nullptr;
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    key_mark_ = mark;
    field_ = find_field(fields_, key);
    if (!field_) {
      std::vector<std::string> names;
      for (const Field& field : fields_) names.push_back(field.name);
      const std::string nearest = core::nearest_name(key, names);
      fail(mark, cat("unknown key ", in_quotes(key),
                     nearest.empty() ? "; --help lists the names"
                                     : cat("; did you mean '", nearest, "'?")));
    }
    if (field_->command_line_only) {
      fail(mark, cat(key, ": allowed on the command line only, as --", key, "; remove the line"));
    }
    const auto [first, is_new] = line_of_.emplace(key, mark.line + 1);
    if (!is_new)
      fail(mark, cat(key, ": given twice, first in line ", first->second, "; remove one of them"));
  }

  const std::string& source_;
  const std::vector<Field>& fields_;
  int documents_ = 0;
  bool in_map_ = false;
  const Field* field_ = nullptr;  // whose value comes next; nullptr: a key comes next
  std::optional<std::vector<std::string>> items_;  // of the list that is its value, so far
  YAML::Mark key_mark_;
  std::map<std::string, int> line_of_;
};

// yaml-cpp takes a zero byte for the end of the file; a file with control characters is no text
// anyway.
void refuse_control_characters(const std::string& text, const std::string& source) {
  const auto bad = std::ranges::find_if(text, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
           c == 0x7f;
  });
  if (bad == text.end()) return;
  throw UserError(cat(source, ":", 1 + std::count(text.begin(), bad, '\n'),
                      ": control character number ", static_cast<int>(*bad),
                      " found; expected a YAML text file"));
}

}  // namespace

void apply_yaml(const std::string& text, const std::string& source,
                const std::vector<Field>& fields) {
  refuse_control_characters(text, source);
  // yaml-cpp 0.7 takes a quotation that is still open after the last line for closed; not so within
  // a line.
  std::istringstream stream(text + "\n#");
  SettingsHandler handler(source, fields);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(handler)) {
    }
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 1 : error.mark.line + 1;
    throw UserError(cat(source, ":", line, ": not valid YAML (", error.msg,
                        "); expected lines of the form 'name: value'"));
  }
}

void apply_yaml_file(const std::filesystem::path& path, const std::vector<Field>& fields) {
  apply_yaml(core::read_file(path, kYamlMaxBytes), path.string(), fields);
}

}  // namespace ipirm::config
