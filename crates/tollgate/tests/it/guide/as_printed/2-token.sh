
# Create test user and get JWT token from Keycloak
ADMIN_TOKEN=$(curl -s -X POST \
  http://localhost:8080/realms/master/protocol/openid-connect/token \
  -H "Content-Type: application/x-www-form-urlencoded" \
  -d "username=admin&password=admin&grant_type=password&client_id=admin-cli" | jq -r '.access_token')

# Create test user
curl -s -X POST \
  http://localhost:8080/admin/realms/master/users \
  -H "Authorization: Bearer $ADMIN_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "username": "testuser",
    "enabled": true,
    "credentials": [
      {
        "type": "password",
        "value": "testpass123",
        "temporary": false
      }
    ]
  }'

# Get user token
USER_TOKEN=$(curl -s -X POST \
  http://localhost:8080/realms/master/protocol/openid-connect/token \
  -H "Content-Type: application/x-www-form-urlencoded" \
  -d "username=testuser&password=testpass123&grant_type=password&client_id=admin-cli" | jq -r '.access_token')

echo "Test JWT Token: $USER_TOKEN"
