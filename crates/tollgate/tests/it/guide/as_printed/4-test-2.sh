curl -v -H "Host: ai.local.dev" -H "authorization: Bearer $USER_TOKEN" http://$K3S_NODE_IP:$GATEWAY_PORT/
