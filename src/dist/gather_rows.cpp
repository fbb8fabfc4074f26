// Gathers rows, and gives each rank the gradient of its own.
#include <torch/csrc/autograd/custom_function.h>

#include "ipirm/dist/collect.h"

namespace ipirm::dist {
namespace {

// The rows as (n, ...) contiguous memory: images that lie channels-last are gathered as they lie.
bool lies_channels_last(const torch::Tensor& rows) {
  return rows.dim() == 4 && rows.suggest_memory_format() == torch::MemoryFormat::ChannelsLast;
}

torch::Tensor gather_equal(Group& group, const torch::Tensor& rows) {
  if (!lies_channels_last(rows)) return group.gather(rows);
  return group.gather(rows.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

torch::Tensor gather_shares(Group& group, const torch::Tensor& own, const Shares& shares) {
  TORCH_CHECK(own.size(0) == shares.size(), "dist: ", own.size(0), " rows where this rank has ",
              shares.size());
  const int64_t most = shares.largest();
  auto rows = own;
  if (own.size(0) < most) {  // filled up, for all to send alike
    auto shape = own.sizes().vec();
    shape.front() = most - own.size(0);
    rows = torch::cat({own, torch::zeros(shape, own.options())})
               .contiguous(lies_channels_last(own) ? torch::MemoryFormat::ChannelsLast
                                                   : torch::MemoryFormat::Contiguous);
  }
  const auto all = gather_equal(group, rows);
  if (most * group.size() == shares.total()) return all;
  std::vector<torch::Tensor> parts;
  for (int64_t rank = 0; rank < group.size(); ++rank)
    parts.push_back(all.slice(0, rank * most, rank * most + shares.size_of(rank)));
  return torch::cat(parts);
}

class GatherRows : public torch::autograd::Function<GatherRows> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& own,
                               Group* group, const Shares* shares) {
    context->saved_data["first"] = shares->first();
    context->saved_data["size"] = shares->size();
    return gather_shares(*group, own, *shares);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradient) {
    const auto first = context->saved_data["first"].toInt();
    const auto size = context->saved_data["size"].toInt();
    return {gradient[0].slice(0, first, first + size), torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor gather_rows(Group& group, const torch::Tensor& own, const Shares& shares) {
  if (group.is_alone()) return own;
  if (!own.requires_grad() || !at::GradMode::is_enabled()) return gather_shares(group, own, shares);
  return GatherRows::apply(own, &group, &shares);
}

}  // namespace ipirm::dist
