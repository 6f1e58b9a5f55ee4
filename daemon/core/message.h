/* The ids of the events in the journal (field MESSAGE_ID). Alerts and scripts look for them, so an
 * id stays when the text of its event changes. Each was made by `systemd-id128 new`.
 * packaging/systemd/penstock.catalog says what an event means, what senders see of it and what to
 * do; `journalctl -x` shows that below the line. tests/check-docs compares the two.
 *
 * A new event needs: `systemd-id128 new`, a line here, an entry in the catalog, a row in
 * penstockd(8). */
#ifndef PENSTOCK_CORE_MESSAGE_H
#define PENSTOCK_CORE_MESSAGE_H

#define MESSAGE_LEVEL "4386a1de40af441aae12664026bc5dc4" /* the level changed */
#define MESSAGE_STATE "b6289a2d375440338cb1bd18a87c736a" /* serving, draining, maintenance, blind */
/* other programs than mail cause the pressure */
#define MESSAGE_NEIGHBOUR "484c7cf0db3f4622b16ff10fd5281164"
/* a control group's memory grows without end */
#define MESSAGE_LEAK "e06224b6547647d482e64a7e6471aa99"
#define MESSAGE_SENSOR "769ec77be3ae414a9ac3954000be133e" /* a sensor was lost, or is back */
#define MESSAGE_LINK "acefec02767544dab549586c0c05beef" /* a link's carrier or speed changed */
#define MESSAGE_INFEASIBLE "422df0d6e88645f98694ef930f932937" /* more are due than can be served */
#define MESSAGE_DAY "38e62e0fbb874b6da5eb0ce10b78508c" /* a source has waited for 24 h */
/* a maintenance window is about to begin, begins or ends */
#define MESSAGE_MAINTENANCE "ddae4d8bb3b64ddf98a59c1d672dfca5"
#define MESSAGE_REFUSED "08120857aad54377858a1b24632f3eda" /* a source was deferred */
/* the proxy or the gate no longer decides, or decides again */
#define MESSAGE_FRONT "9a95184e78c945a5b10efada82b4c013"
#define MESSAGE_FAULT "3afa63c203d44a05b8b7cfdac2628862" /* a row of FAULT_TABLE happened */

#endif
