// Shares pairs out among the ranks and adds up what they find.
#include "ipirm/train/search_team.h"

#include "ipirm/dist/share.h"

namespace ipirm::train {
namespace {

class SearchTeam : public ops::Team {
 public:
  explicit SearchTeam(std::shared_ptr<dist::Group> group) : group_(std::move(group)) {}

  Range own(int64_t count) const override {
    const dist::Shares shares(count, *group_);
    return {shares.first(), shares.first() + shares.size()};
  }
  void sum(const at::Tensor& tensor) override { group_->sum(tensor); }

 private:
  std::shared_ptr<dist::Group> group_;
};

}  // namespace

ops::TeamPointer team_of(const std::shared_ptr<dist::Group>& group) {
  if (group->is_alone()) return {};
  return c10::make_intrusive<SearchTeam>(group);
}

}  // namespace ipirm::train
