// The alerts and dashboards of penstock as a monitoring mixin (https://monitoring.mixins.dev). The files are the source: without
// jsonnet use ../grafana/*.json and penstock.rules.yml as they are.
local rules = std.parseYaml(importstr 'penstock.rules.yml');
{
  _config+:: { penstockRunbookBase: 'file:///usr/share/doc/penstock/runbook.md' },
  local config = self._config,
  prometheusAlerts+:: {
    groups+: [
      group {
        rules: [
          rule { annotations+: { runbook_url: config.penstockRunbookBase + '#' + std.asciiLower(rule.alert) } }
          for rule in group.rules
        ],
      }
      for group in rules.groups
    ],
  },
  prometheusRules+:: { groups+: [] },
  grafanaDashboards+:: {
    'penstock-host.json': import '../grafana/penstock-host.json',
    'penstock-fleet.json': import '../grafana/penstock-fleet.json',
  },
}
