
curl -v -H "Host: ai.local.dev" http://$K3S_NODE_IP:$GATEWAY_PORT/
