# Check the data plane gateway service for NodePort
kubectl get svc -n envoy-gateway-system -l app.kubernetes.io/component=proxy

# Get the NodePort and Node IP
export GATEWAY_PORT=$(kubectl get svc -n envoy-gateway-system envoy-envoy-gateway-system-ai-gateway-78adb12c -o jsonpath='{.spec.ports[?(@.port==80)].nodePort}')
export K3S_NODE_IP=$(kubectl get node -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}')
echo "Gateway URL: http://$K3S_NODE_IP:$GATEWAY_PORT"
