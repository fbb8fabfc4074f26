// The page: what a run's log says is in it, texts are escaped, it asks for nothing outside, and it
// stays below its size.
#include "ipirm/inspect/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/write_sets.h"
#include "inspect/html.h"
#include "inspect/report_curves.h"
#include "ipirm/core/files.h"
#include "ipirm/inspect/run_summary.h"
#include "support/user_error.h"

namespace ipirm::inspect {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

RunRecord record_of(const std::string& lines) {
  const test_sets::TempFolder folder;
  core::write_atomically(folder.path() / "metrics.jsonl", lines);
  return read_run_record(folder.path() / "metrics.jsonl");
}

const char* const kLines =
    R"({"event":"maximize_pass","epoch":0,"pass":0,"risk":-8.0,"lr":0.5}
{"event":"maximize","epoch":0,"source":"search","sizes":[3,5],"certainty":0.9,"factors":{"digit":{"information":0.1,"entropy":2.0,"share":0.05}}}
{"event":"step","epoch":1,"step":1,"loss":9.0}
{"event":"epoch","epoch":1,"loss":4.0,"seconds":1.0}
{"event":"knn","epoch":1,"factor":"digit","test_acc@1":40.0,"test_acc@5":90.0}
{"event":"maximize_pass","epoch":1,"pass":0,"risk":-9.0,"lr":0.5}
{"event":"epoch","epoch":2,"loss":3.0,"seconds":1.0}
{"event":"knn","epoch":2,"factor":"digit","test_acc@1":67.5,"test_acc@5":98.0}
{"event":"something new","what":1}
{"event":"epoch","epoch":3,"lo)";

TEST(RunRecord, HoldsWhatTheLogSays) {
  const auto record = record_of(kLines);
  EXPECT_THAT(record.loss, ElementsAre(Pair(1, 4), Pair(2, 3)));
  EXPECT_THAT(record.risk, ElementsAre(Pair(1, -8), Pair(2, -9)));
  EXPECT_EQ(record.last_epoch, 2);
  EXPECT_EQ(record.newest("knn", "digit", "test_acc@1")->value, 67.5);
  EXPECT_EQ(record.newest("knn", "digit", "test_acc@1")->epoch, 2);
  EXPECT_FALSE(record.newest("knn", "colour", "test_acc@1"));
  ASSERT_EQ(record.partitions.size(), 1U);
  EXPECT_THAT(record.partitions[0].sizes, ElementsAre(3, 5));
  EXPECT_EQ(record.partitions[0].factors[0].information, .1);
  EXPECT_FALSE(record.partitions[0].overlap);
}

TEST(RunSummary, HasTheLastAndTheBestOfEachCurve) {
  const char* const lines =
      R"({"event":"epoch","epoch":1,"loss":3.0}
{"event":"epoch","epoch":2,"loss":1.0}
{"event":"epoch","epoch":3,"loss":2.0}
{"event":"knn","epoch":1,"factor":"hue","test_acc@1":10.0}
{"event":"knn","epoch":3,"factor":"hue","test_acc@1":7.0}
{"event":"maximize","epoch":4,"sizes":[3,5],"certainty":0.9,"factors":{"hue":{"information":0.25,"entropy":0.5,"share":0.5}}}
)";
  EXPECT_EQ(run_summary(record_of(lines)),
            "                       last                best\n"
            "loss                 2.0000  (epoch 3)   1.0000  (epoch 2)\n"
            "knn hue  test_acc@1  7.0000  (epoch 3)  10.0000  (epoch 1)\n"
            "partitions  1, the newest after epoch 4: 3 + 5, 0.2500 nats of hue\n");
  EXPECT_EQ(run_summary(record_of("")), "");
  // Of a factor that is called after losses the highest accuracy is the best all the same.
  EXPECT_THAT(run_summary(record_of(R"({"event":"knn","epoch":1,"factor":"gloss","top1":10.0}
{"event":"knn","epoch":3,"factor":"gloss","top1":7.0}
)")),
              HasSubstr("10.0000  (epoch 1)"));
}

// The mean of those that an epoch was trained with: not the one after the last epoch.
TEST(RunRecord, SharedIsWhatTheTrainingSaw) {
  auto record = record_of(kLines);
  auto second = record.partitions[0], last = second;
  second.epoch = 1, last.epoch = 2;
  second.factors[0].information = .3, last.factors[0].information = 2;
  record.partitions = {record.partitions[0], second, last};
  EXPECT_DOUBLE_EQ(record.shared()[0].information, .2);
  record.last_epoch = 0;
  EXPECT_TRUE(record.shared().empty());
}

TEST(RunRecord, RefusesALineThatIsNoEvent) {
  EXPECT_THAT(test::user_error([] { record_of("{\"event\":\"epoch\",\"epoch\":1}\n"); }),
              HasSubstr("metrics.jsonl:1: expected an event"));
  EXPECT_THAT(test::user_error([] { record_of("{}\nno json\n"); }), HasSubstr("metrics.jsonl:2:"));
  for (const char* epoch : {"-1", "1.5", "1e300", "\"1\""}) {
    EXPECT_THAT(test::user_error([&] {
                  record_of(core::cat(R"({"event":"epoch","epoch":)", epoch, ",\"loss\":1.0}\n"));
                }),
                HasSubstr("metrics.jsonl:1: expected an event"));
  }
}

// JSON has no other form for what is not finite.
TEST(RunRecord, NullIsAGap) {
  const auto record = record_of(R"({"event":"maximize_pass","risk":null}
{"event":"maximize_pass","risk":2.0}
{"event":"maximize","epoch":0,"sizes":[3],"certainty":null,"overlap":null,"factors":{"a":{"information":null,"entropy":0.5,"share":null}}}
{"event":"epoch","epoch":1,"loss":null}
{"event":"epoch","epoch":2,"loss":3.0}
{"event":"knn","epoch":2,"factor":"a","test_acc@1":null}
)");
  EXPECT_THAT(record.loss, ElementsAre(Pair(2, 3)));
  EXPECT_THAT(record.risk, ElementsAre(Pair(2, 2)));
  EXPECT_TRUE(record.scores.empty());
  EXPECT_TRUE(record.shared().empty());
}

FactorTable table_of(const std::string& name, double information, double entropy) {
  FactorTable table;
  table.share = {name, information, entropy, information / entropy};
  table.counts = {{1, 2}, {3, 4}};
  return table;
}

PageImage page_of(const Picture& picture) { return page_image(picture, picture.png()); }

Report small_report() {
  Report report;
  report.factors = {{"digit", 2, {}, {"<zero>", "one"}}, {"colour", 2, {}}};
  report.runs = {{"search", "results/search", 20, record_of(kLines), std::nullopt},
                 {"a & b", "results/b", 20, record_of(kLines), std::nullopt}};
  report.runs[1].record.scores[0].points.back().second = 25.25;
  report.partitions.push_back({2,
                               {table_of("digit", .02, 2), table_of("colour", .69, 2.3)},
                               {{3, {{0, .9}}, {}}, {7, {{1, .8}}, {}}},
                               {}});
  for (int i = 0; i < 2; ++i) report.partitions[0].sheets.push_back(page_of(Picture(40, 30)));
  report.differing = {{"env_num", {"4", "16"}}};
  report.commands = {"ipirm-train --config results/search/config.yaml"};
  return report;
}

TEST(Report, SaysInOneSentenceWhatCameOfIt) {
  EXPECT_EQ(result_sentence(small_report()),
            "search has 67.5 % kNN accuracy on digit after 2 of 20 epochs, 42.2 points more than a "
            "& b; the partitions that it was trained with separate digit (0.10 nats, 5 % of what "
            "there is).");
  Report three = small_report();
  three.runs.push_back(three.runs[1]);
  EXPECT_THAT(result_sentence(three), HasSubstr("than a & b, the best of the others;"));
  Report alone = small_report();
  alone.runs.resize(1);
  alone.runs[0].record.partitions[0].factors[0].share = .02;
  EXPECT_THAT(result_sentence(alone), HasSubstr("separate no known factor (at most digit"));
}

// That of the evaluation, not the one that was finished last.
TEST(Report, NamesTheEpochOfTheAccuracy) {
  auto report = small_report();
  report.runs[0].record.last_epoch = 5;
  EXPECT_THAT(result_sentence(report), HasSubstr("after 2 of 20 epochs"));
  EXPECT_THAT(report_page(report),
              HasSubstr("<td>5 of 20</td><td class=\"best\">67.5 % (epoch 2)"));
}

TEST(Report, SaysWhyThereIsNoAccuracy) {
  auto report = small_report();
  report.factors.clear();
  report.partitions.clear();
  report.no_accuracy = "the data have no test split";
  report.no_features = report.no_accuracy;
  EXPECT_THAT(result_sentence(report),
              HasSubstr("its accuracy cannot be measured: the data have no test split"));
  EXPECT_THAT(report_page(report), HasSubstr("Not all is shown: the data have no test split."));
}

TEST(Report, ComparesRunsOnTheSameDataAlone) {
  auto report = small_report();
  report.runs[1].other_data = "MNIST";
  EXPECT_THAT(result_sentence(report), Not(HasSubstr("points")));
  const auto page = report_page(report);
  EXPECT_THAT(page, Not(HasSubstr("<td class=\"best\">")));
  EXPECT_THAT(page, HasSubstr("a &amp; b saw other data, MNIST"));
}

TEST(Report, NamesTheGivenPartition) {
  auto report = small_report();
  report.partitions.clear();
  EXPECT_THAT(report_page(report), HasSubstr("This run has none."));
  report.runs[0].given_partition = "by colour.npy";
  const auto page = report_page(report);
  EXPECT_THAT(page, HasSubstr("the partition that was given: by colour.npy. It found none"));
  EXPECT_THAT(page, Not(HasSubstr("This run has none.")));
}

TEST(Report, SaysHowManyImagesNobodyKnows) {
  auto report = small_report();
  report.partitions[0].tables[0].unknown = 100000;
  EXPECT_THAT(report_page(report), HasSubstr("100,000 images whose digit nobody knows"));
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
}

TEST(Report, PageHoldsEverythingAndAsksForNothing) {
  const auto page = report_page(small_report());
  for (const char* text :
       {"67.5 %", "25.2 %", "a &amp; b", "&lt;zero&gt;", "<td>env_num</td><td>4</td><td>16</td>",
        "Environment 1: 7 images", "After epoch 2: separates colour",
        "ipirm-train --config results/search/config.yaml", "Content-Security-Policy",
        "data:image/png;base64,iVBOR"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
  EXPECT_THAT(page, Not(HasSubstr("<zero>")));
  EXPECT_THAT(page, Not(HasSubstr("sourceMappingURL")));
  for (const char* outside : {"src=\"http", "href=", "url(http", "@import", "<link"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  EXPECT_LT(page.size(), 400'000U);
}

TEST(Report, CurvesStandSideBySide) {
  const auto charts = charts_of(small_report());
  ASSERT_EQ(charts.size(), 3U);  // no run knows a colour
  EXPECT_THAT(charts[0].runs, ElementsAre(0, 1));
  EXPECT_THAT(charts[0].labels, ElementsAre("epoch", "search", "a & b"));
  const auto json = nlohmann::json::parse(to_json(charts));
  EXPECT_EQ(json[0]["rows"], nlohmann::json::parse("[[1.0,40.0,40.0],[2.0,67.5,25.25]]"));
}

TEST(Report, CurvesHaveNoValueWhereARunHasNone) {
  auto report = small_report();
  report.runs[0].record.loss = {{1, 4}};
  const auto json = nlohmann::json::parse(to_json(charts_of(report)));
  EXPECT_EQ(json[1]["rows"], nlohmann::json::parse("[[1.0,4.0,4.0],[2.0,null,3.0]]"));
}

// The first run's colour is that of its number, whether it has a line in a chart or not.
TEST(Report, ARunHasOneColourInAllCharts) {
  auto report = small_report();
  report.runs[0].record.risk.clear();
  const auto json = nlohmann::json::parse(to_json(charts_of(report)));
  EXPECT_EQ(json[1]["runs"], nlohmann::json::parse("[0,1]"));
  EXPECT_EQ(json[2]["runs"], nlohmann::json::parse("[1]"));
}

TEST(Report, LongCurvesAreThinned) {
  auto report = small_report();
  auto& risk = report.runs[0].record.risk;
  risk.clear();
  for (int i = 1; i <= 10000; ++i) risk.emplace_back(i, i);
  const auto chart = charts_of(report).back();
  EXPECT_THAT(chart.title, HasSubstr("one point in 3"));
  EXPECT_EQ(chart.lines[0].size(), 3334U);
  EXPECT_THAT(chart.lines[0].back(), Pair(10000, 10000));
}

// Noise, which no format makes small.
Picture noise(int side) {
  Picture picture(side, side);
  uint32_t state = 1;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      state = state * 1664525U + 1013904223U;
      picture.fill(x, y, 1, 1,
                   {static_cast<uint8_t>(state >> 24), static_cast<uint8_t>(state >> 16),
                    static_cast<uint8_t>(state >> 8)});
    }
  }
  return picture;
}

TEST(Report, LeavesOutTheOldestSheetsWhereThereIsNoRoom) {
  auto report = small_report();
  const auto sheet = page_of(noise(700));
  report.partitions[0].sheets = {sheet, sheet};
  while (report.partitions.size() < 12) {
    report.partitions.push_back(report.partitions.front());
    report.partitions.back().epoch = static_cast<int64_t>(report.partitions.size()) + 1;
  }
  const auto page = report_page(report);
  EXPECT_LT(page.size(), 10'000'000U);
  EXPECT_GT(page.size(), 8'000'000U);
  EXPECT_THAT(page, HasSubstr("see partition_2_environment_K.png"));
  EXPECT_THAT(page, Not(HasSubstr("see partition_13_environment_")));
}

// Numbers of all partitions go before pictures of the newest.
TEST(Report, StaysBelowItsSizeWithManyEnvironmentsAndClasses) {
  constexpr int kEnvironments = 100, kClasses = 100;
  auto report = small_report();
  report.factors = {{"class", kClasses, {}}, {"other", kClasses, {}}};
  ReportPartition partition;
  for (const auto& factor : report.factors) {
    auto table = table_of(factor.name, .1, 2);
    table.counts.assign(kEnvironments, std::vector<int64_t>(kClasses, 123456));
    partition.tables.push_back(table);
  }
  const auto sheet = page_of(noise(300));
  partition.chosen.assign(kEnvironments, {7, {{1, .8}}, {}});
  partition.sheets.assign(kEnvironments, sheet);
  report.partitions.assign(20, partition);
  for (size_t i = 0; i < report.partitions.size(); ++i)
    report.partitions[i].epoch = static_cast<int64_t>(i);
  const auto page = report_page(report);
  EXPECT_LT(page.size(), 10'000'000U);
  EXPECT_GT(page.size(), 8'000'000U);
  EXPECT_THAT(page, HasSubstr("tables of class, other: see partition_0.json"));
  EXPECT_THAT(page, Not(HasSubstr("see partition_19.json")));
  EXPECT_THAT(page, HasSubstr("of 100 environments: see partition_19_environment_K.png"));
}

TEST(Report, LeavesOutAPictureForWhichThereIsNoRoom) {
  auto report = small_report();
  report.neighbours = PageImage{9, 9, "png", std::vector<uint8_t>(9'000'000)};
  const auto page = report_page(report);
  EXPECT_LT(page.size(), 10'000'000U);
  EXPECT_THAT(page, HasSubstr("there is no room left for the picture"));
}

TEST(Base64, IsThatOfRfc4648) {
  const auto of = [](const std::string& text) { return base64({text.begin(), text.end()}); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace ipirm::inspect
