// ipirm-export: writes a saved model's encoder under torchvision's names.
#include "ipirm/app/export_app.h"
#include "ipirm/app/program.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_export(argc, argv);
    return config ? ipirm::app::run_export(*config) : ipirm::app::kExitOk;
  });
}
