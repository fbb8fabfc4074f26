// The files of inspect/: names that do not collide, what an earlier call has left, what a page
// keeps of the sheets.
#include "ipirm/inspect/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/write_sets.h"
#include "eval/toy_set.h"
#include "ipirm/core/files.h"

namespace ipirm::inspect {
namespace {

namespace fs = std::filesystem;
using ::testing::UnorderedElementsAre;

class InspectFiles : public ::testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      found.push_back(entry.path().filename().string());
    return found;
  }
  nlohmann::json read(const std::string& name) const {
    return nlohmann::json::parse(core::read_file(folder_.path() / name, 1 << 20));
  }
  const test_sets::TempFolder folder_;
};

TEST_F(InspectFiles, RemovesItsOwnAlone) {
  for (const char* name :
       {"partition_3.json", "partition_3_environment_12.png", "map_0_digit.png", "map.json",
        "confusion_kNN_0_digit.png", "confusion.json", "neighbours.png", "neighbours.json",
        "summary.json", "report.html", "notes.html", "partition_plan.json", "maps.png"})
    core::write_atomically(folder_.path() / name, "");
  fs::create_directory(folder_.path() / "map_of_a_folder.png");
  remove_earlier(folder_.path());
  EXPECT_THAT(names(), UnorderedElementsAre("notes.html", "partition_plan.json", "maps.png",
                                            "map_of_a_folder.png"));
}

TEST_F(InspectFiles, NamesOfAlikeFactorsDoNotCollide) {
  const Components map{torch::tensor({{1., 0.}, {-1., 0.}}, torch::kFloat64), {.5, 0}};
  const auto shown =
      write_map(folder_.path(), map, {{"a b", 2, {0, 1}}, {"a_b", 2, {1, 0}}}, "test", {0, 1});
  EXPECT_EQ(shown.size(), 2U);
  EXPECT_THAT(names(), UnorderedElementsAre("map.json", "map_0_a_b.png", "map_1_a_b.png"));
  EXPECT_EQ(read("map.json")["pictures"]["a_b"], "map_1_a_b.png");
}

TEST_F(InspectFiles, PageKeepsTheSheetsThatHaveRoom) {
  const test::ToySet set(9, 1);
  ReportPartition partition{4, {}, choose_images(torch::randn({9, 2}), 4), {}};
  size_t room = 0;
  write_partition(folder_.path(), partition, {}, set, room);
  EXPECT_TRUE(partition.sheets.at(1).bytes.empty());
  EXPECT_GT(fs::file_size(folder_.path() / "partition_4_environment_1.png"), 0U);
  partition.sheets.clear();
  room = 1 << 20;
  write_partition(folder_.path(), partition, {}, set, room);
  const auto& sheets = partition.sheets;
  EXPECT_FALSE(sheets.at(1).bytes.empty());
  EXPECT_EQ(room, (size_t{1} << 20) - sheets[0].bytes.size() - sheets[1].bytes.size());
}

}  // namespace
}  // namespace ipirm::inspect
