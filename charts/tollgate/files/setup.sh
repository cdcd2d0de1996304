#!/usr/bin/env bash
set -euo pipefail
home=${KEYCLOAK_HOME:-/opt/keycloak}
state=${SETUP_STATE:-/setup}
client=admin-cli

# The image has no curl; bash can open a connection itself.
ready() (
    exec 3<>/dev/tcp/127.0.0.1/9000
    printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    IFS= read -r status <&3
    [[ $status == *' 200 '* ]]
)
kcadm() { "$home/bin/kcadm.sh" "$@" --config "$state/kcadm.config"; }

configure() {
    until ready 2>/dev/null; do sleep 1; done
    # The password is read from KC_CLI_PASSWORD.
    kcadm config credentials --server http://127.0.0.1:8080 --realm master --user "$KC_CLI_USERNAME"
    id=$(kcadm get clients -r master -q "clientId=$client" --fields id --format csv --noquotes)
    kcadm update "clients/$id" -r master \
        -s 'attributes."client.use.lightweight.access.token.enabled"=false' \
        -s 'attributes."access.token.lifespan"=1800'
    rm -f "$state/kcadm.config"
    touch "$state/done"
    echo "$client: full access tokens, valid for half an hour"
}
# Once for the pod: a container that is restarted finds the database as it left it.
[ -f "$state/done" ] || configure
# The pod is ready while this container is; it stays until it is told to end.
trap 'exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
