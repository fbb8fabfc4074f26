// Fuzz target: the text of a configuration file, over fields of every type.
#include "config/yaml_file.h"
#include "fuzz/target.h"
#include "ipirm/model/options.h"

namespace ipirm::fuzz {
namespace {

struct Settings {
  bool flag = false;
  int count = 1;
  int64_t steps = 2;
  uint64_t seed = 3;
  double rate = .5;
  std::string name = "a";
  std::string mode = "v1";
  std::vector<int64_t> milestones = {5, 35};
  std::optional<int> width;
  std::optional<model::Arch> arch;
  bool overwrite = false;

  std::vector<config::Field> fields() {
    using config::Field;
    return {Field{"flag", "a", "", "help", &flag},
            Field{"count", "a", "N", "help", &count, config::between(1, 9)},
            Field{"steps", "a", "N", "help", &steps, config::count_from(0)},
            Field{"seed", "a", "N", "help", &seed, config::at_least(0)},
            Field{"rate", "a", "X", "help", &rate, config::above(0)},
            Field{"name", "a", "NAME", "help", &name},
            Field{"mode", "a", "v1|v2", "help", &mode, {}, {"v1", "v2"}},
            Field{"milestones", "a", "LIST", "help", &milestones, config::count_from(1)},
            Field{"width", "a", "N", "help", &width, config::between(1, 1024)},
            config::kind_field("arch", "a", "help", &arch),
            Field{.name = "overwrite",
                  .group = "a",
                  .label = "",
                  .help = "help",
                  .target = &overwrite,
                  .command_line_only = true}};
  }
};

// What is read must come back from what is written.
void yaml(Input input) {
  const std::string text(input.begin(), input.end());
  Settings settings, again;
  const auto fields = settings.fields(), fields_again = again.fields();
  if (!reads_or_refuses([&] { config::apply_yaml(text, "fuzz.yaml", fields); })) return;
  const std::string dumped = config::dump_yaml("fuzz", fields);
  require(reads_or_refuses([&] { config::apply_yaml(dumped, "again.yaml", fields_again); }),
          "what was written cannot be read");
  for (size_t i = 0; i < fields.size(); ++i) {
    require(config::value_text(fields[i]) == config::value_text(fields_again[i]),
            "a value changed by writing and reading it");
  }
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(yaml, ipirm::fuzz::yaml)
