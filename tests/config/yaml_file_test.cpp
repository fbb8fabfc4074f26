// Checks that a settings file is a flat map of known names and values, and that anything
// else is refused by line.
#include "config/yaml_file.h"

#include <gmock/gmock.h>

#include <random>

#include "config/config_test_util.h"
#include "config/group.h"

namespace ipirm::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Settings {
  int64_t epochs = 200;
  double lr = 1e-3;
  bool offline = false;
  std::vector<int64_t> milestones = {5};
  std::string name;
  bool resume = false;
};

std::vector<Field> fields_of(Settings& s) {
  std::vector<Field> fields;
  Group training(fields, "Training");
  training.number("epochs", &s.epochs, count_from(1), "");
  training.number("lr", &s.lr, above(0), "");
  training.flag("offline", &s.offline, "");
  training.number("milestones", &s.milestones, count_from(0), "");
  Group run(fields, "Run");
  run.text("name", "NAME", &s.name, "");
  run.flag_of_call("resume", &s.resume, "");
  return fields;
}

Settings read(const std::string& text) {
  Settings settings;
  apply_yaml(text, "f.yaml", fields_of(settings));
  return settings;
}

std::string error_in(const std::string& text) {
  return user_error([&] { read(text); });
}

TEST(YamlFile, ReadsPlainAndQuotedValues) {
  const Settings s = read(
      "# first a comment\nepochs: 3   # a count\n\nlr: 1e-2\noffline: true\nname: 'it''s: here'\n");
  EXPECT_EQ(s.epochs, 3);
  EXPECT_EQ(s.lr, 0.01);
  EXPECT_TRUE(s.offline);
  EXPECT_EQ(s.name, "it's: here");
  EXPECT_EQ(read("name: 5\n").name, "5");
  EXPECT_EQ(read("{epochs: 4, name: \"x\"}").epochs, 4);
  EXPECT_EQ(read("lr: .5").lr, 0.5);
}

TEST(YamlFile, ReadsBoolsAsYamlAndPythonWriteThem) {
  for (const char* word : {"true", "True", "TRUE"}) {
    EXPECT_TRUE(read(std::string("offline: ") + word).offline) << word;
  }
  for (const char* word : {"false", "False", "FALSE"}) {
    EXPECT_FALSE(read(std::string("offline: ") + word).offline) << word;
  }
}

TEST(YamlFile, ReadsListsForListSettings) {
  using List = std::vector<int64_t>;
  EXPECT_EQ(read("milestones: [5, 35]\n").milestones, (List{5, 35}));
  EXPECT_EQ(read("milestones: [ 7 ]\nepochs: 3\n").milestones, List{7});
  EXPECT_EQ(read("milestones: []\n").milestones, List{});
  EXPECT_EQ(read("{milestones: [1, 2], epochs: 3}").epochs, 3);
  EXPECT_EQ(read("milestones:\n  - 1\n  - 20\n  - 300\nepochs: 3\n").milestones,
            (List{1, 20, 300}));
  const Settings s = read("milestones:\n- 1\n- 20\nepochs: 4\n");  // unindented is YAML too
  EXPECT_EQ(s.milestones, (List{1, 20}));
  EXPECT_EQ(s.epochs, 4);
}

TEST(YamlFile, EmptyFilesChangeNothing) {
  for (const char* text : {"", "\n", "# a comment\n", "---\n", "{}\n"})
    EXPECT_EQ(read(text).epochs, 200) << text;
}

TEST(YamlErrors, UnknownKeyOffersTheNearest) {
  EXPECT_EQ(error_in("\nlr: 1\nepoch: 3\n"),
            "f.yaml:3: unknown key 'epoch'; did you mean 'epochs'?");
  EXPECT_EQ(error_in("something_else: 3\n"),
            "f.yaml:1: unknown key 'something_else'; --help lists the names");
  EXPECT_EQ(error_in("<<: 3\n"), "f.yaml:1: unknown key '<<'; did you mean 'lr'?");
  EXPECT_EQ(error_in("resume: true\n"),
            "f.yaml:1: resume: allowed on the command line only, as --resume; remove the line");
}

TEST(YamlErrors, WrongTypeAndOutOfRange) {
  const std::string count = ", expected a whole number >= 1 and at most 1000000000";
  EXPECT_EQ(error_in("lr: 1\nepochs: many\n"), "f.yaml:2: epochs: found 'many'" + count);
  EXPECT_EQ(error_in("epochs: 1.5\n"), "f.yaml:1: epochs: found '1.5'" + count);
  EXPECT_EQ(error_in("epochs: 0\n"), "f.yaml:1: epochs: found '0'" + count);
  EXPECT_EQ(error_in("epochs: \"3\"\n"), "f.yaml:1: epochs: found the text '3'" + count);
  EXPECT_EQ(error_in("epochs: true\n"), "f.yaml:1: epochs: found 'true'" + count);
  EXPECT_EQ(error_in("epochs:\nlr: 1\n"), "f.yaml:1: epochs: found nothing" + count);
  EXPECT_EQ(error_in("epochs: ~\n"), "f.yaml:1: epochs: found nothing" + count);
  EXPECT_EQ(error_in("name: null\n"),
            "f.yaml:1: name: found nothing, expected a line of text without control characters");
  for (const char* bad : {".nan", ".inf", "-.Inf", "nan", "inf", "1e999"}) {
    EXPECT_EQ(error_in(std::string("lr: ") + bad),
              std::string("f.yaml:1: lr: found '") + bad + "', expected a number > 0");
  }
  for (const char* bad : {"yes", "on", "tRUE", "1", "0", "no"}) {
    EXPECT_EQ(error_in(std::string("offline: ") + bad),
              std::string("f.yaml:1: offline: found '") + bad + "', expected true or false");
  }
}

TEST(YamlErrors, NestedValuesAndOtherRoots) {
  EXPECT_EQ(error_in("lr: 1\nepochs: [1, 2]\n"),
            "f.yaml:2: epochs: found a list, expected a whole number >= 1 and at most 1000000000");
  EXPECT_THAT(error_in("offline:\n  really: true\n"),
              HasSubstr("offline: found a map, expected true or false"));
  EXPECT_EQ(error_in("- epochs\n- 3\n"),
            "f.yaml:1: found a list, expected lines of the form 'name: value'");
  EXPECT_EQ(error_in("epochs 3\n"),
            "f.yaml:1: found 'epochs 3', expected lines of the form 'name: value'");
  EXPECT_EQ(error_in("? [a]\n: 3\n"),
            "f.yaml:1: found a list, expected lines of the form 'name: value'");
  EXPECT_EQ(error_in("~: 3\n"), "f.yaml:1: a setting without a name; expected 'name: value'");
}

TEST(YamlErrors, ListsThatAreWrong) {
  const std::string expected =
      ", expected ascending whole numbers >= 0 with commas between them, such as 5,35";
  const auto error = [](const std::string& list) { return error_in("lr: 1\nmilestones: " + list); };
  const std::string place = "f.yaml:2: milestones: found ";
  EXPECT_EQ(error("[35, 5]\n"), place + "the list '35,5'" + expected);
  EXPECT_EQ(error("[5, x]\n"), place + "the list '5,x'" + expected);
  EXPECT_EQ(error("[5, -1]\n"), place + "the list '5,-1'" + expected);
  EXPECT_EQ(error("[5, ~]\n"), place + "a list with an empty place" + expected);
  EXPECT_EQ(error("[5, [6]]\n"), place + "a list in a list" + expected);
  EXPECT_EQ(error("[5, {a: 6}]\n"), place + "a map" + expected);
  EXPECT_EQ(error("['5', 6]\n"), place + "the text '5'" + expected);
  EXPECT_EQ(error("\n- 5,6\n- 7\n"), place + "the list entry '5,6'" + expected);
  EXPECT_THAT(error("!!set [5]\n"), HasSubstr("tag 'tag:yaml.org,2002:set' is not supported"));
  EXPECT_THAT(error_in("name: [a, b]\n"), HasSubstr("f.yaml:1: name: found a list"));
  EXPECT_THAT(error_in("offline: [true]\n"), HasSubstr("f.yaml:1: offline: found a list"));
}

TEST(YamlErrors, DuplicateKey) {
  EXPECT_EQ(error_in("epochs: 3\nlr: 1\nepochs: 3\n"),
            "f.yaml:3: epochs: given twice, first in line 1; remove one of them");
}

TEST(YamlErrors, AnchorsAliasesTagsDocuments) {
  EXPECT_EQ(error_in("lr: 1\nname: &a x\n"),
            "f.yaml:2: anchor '&a' is not supported; write the value itself");
  EXPECT_THAT(error_in("lr: 1\nname: *a\n"), StartsWith("f.yaml:2: "));
  EXPECT_THAT(error_in("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\n"),
              StartsWith("f.yaml:1: "));
  EXPECT_EQ(error_in("epochs: !!int 3\n"),
            "f.yaml:1: tag 'tag:yaml.org,2002:int' is not supported; remove it");
  EXPECT_EQ(error_in("epochs: 3\n---\nepochs: 4\n"),
            "f.yaml:2: a second document begins here; expected one map of settings");
}

TEST(YamlErrors, NoYamlAtAll) {
  EXPECT_THAT(error_in("lr: 1\nname: 'open\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(error_in("name: \"open\nepochs: 3\n"),
              HasSubstr("not valid YAML"));  // would swallow what follows
  EXPECT_THAT(error_in("lr: 1\n\tepochs: 3: 4\n"), StartsWith("f.yaml:"));
  EXPECT_EQ(error_in(std::string("lr: 1\nepochs: 3\0", 16) + "\nlr: 2\n"),
            "f.yaml:2: control character number 0 found; expected a YAML text file");
  EXPECT_EQ(error_in("\x7f\x45LF"),
            "f.yaml:1: control character number 127 found; expected a YAML text file");
  EXPECT_THAT(error_in("name: \"a\\nb\"\n"), HasSubstr("found 'a?b'"));
  EXPECT_THAT(error_in("name: |\n  two\n  lines\n"), HasSubstr("found 'two?lines?'"));
  EXPECT_THAT(error_in(std::string(60000, '[')), StartsWith("f.yaml:1: found a list"));
  EXPECT_THAT(error_in(std::string(60000, '{')), StartsWith("f.yaml:1: "));
}

TEST(YamlErrors, NamesTheFileOnTheCommandLine) {
  const YamlFile file("epochs: 3\nbatchsize: 5\n");
  EXPECT_EQ(train_error({"--config", file.path()}),
            file.path() + ":2: unknown key 'batchsize'; did you mean 'batch_size'?");
  EXPECT_THAT(train_error({"--config", "/nowhere/x.yaml"}), HasSubstr("/nowhere/x.yaml"));
  EXPECT_THAT(train_error({"--config", "/"}), HasSubstr("/"));
  const YamlFile large("#" + std::string(kYamlMaxBytes, 'x'));
  EXPECT_THAT(train_error({"--config", large.path()}), HasSubstr(large.path()));
}

// A well-formed file with bytes changed, doubled and removed is read or refused: never another
// exception, never a crash.
TEST(YamlFuzz, OnlyUserErrors) {
  const std::string good =
      "# note\nepochs: 3\nlr: 1e-2\noffline: true\nmilestones: [5, 35]\nname: \"a 'b'\"\n";
  const std::string spice = "\n\t :-?,[]{}#&*!|>'\"%@`~<=.\\\xc3\xff\xef\xbb\xbf";
  std::mt19937 random(7);
  int read_well = 0, refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text = good;
    for (unsigned change = 0; change < 1 + random() % 4; ++change) {
      const size_t place = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[place] = spice[random() % spice.size()];
          break;
        case 1:
          text.insert(place, 1 + random() % 3, spice[random() % spice.size()]);
          break;
        default:
          text.erase(place, 1 + random() % 3);
      }
    }
    try {
      read(text);
      ++read_well;
    } catch (const core::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(read_well, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace ipirm::config
