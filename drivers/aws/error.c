/* SPDX-License-Identifier: MIT */
#include "drivers/aws/error.h"

struct code_class {
    const char *code;
    const char *message; /* a part of it that must be there, or NULL */
    enum err_class class;
};

static const struct code_class code_classes[];
static const size_t code_classes_n;

static enum err_class status_class(int status)
{
    if (status == 429 || status == 509)
        return ERR_THROTTLED;
    if (status >= 500 || status == 408)
        return ERR_TRANSIENT;
    if (status == 401 || status == 403)
        return ERR_DENIED;
    if (status == 404)
        return ERR_NOT_FOUND;
    return ERR_INVALID;
}

/* Codes that no table can hold: AWS makes one up per resource, but ends them alike. */
static enum err_class family_class(const char *code, int status)
{
    if (str_ends(code, "NotFound") || str_ends(code, "NotFoundException") ||
        str_ends(code, "NotFoundFault"))
        return ERR_NOT_FOUND;
    if (str_ends(code, "AlreadyExists") || str_ends(code, "AlreadyExistsException") ||
        str_ends(code, "AlreadyExistsFault") || str_ends(code, ".Duplicate"))
        return ERR_EXISTS;
    if (str_ends(code, "LimitExceeded") || str_ends(code, "LimitExceededException") ||
        str_ends(code, "QuotaExceeded") || str_ends(code, "QuotaExceededFault"))
        return ERR_QUOTA;
    return status_class(status);
}

enum err_class error_class(const char *code, const char *message, int http_status)
{
    if (*code == '\0')
        return status_class(http_status);
    for (size_t i = 0; i < code_classes_n; i++)
        if (strcmp(code_classes[i].code, code) == 0 &&
            (code_classes[i].message == NULL ||
             (message != NULL && strcasestr(message, code_classes[i].message) != NULL)))
            return code_classes[i].class;
    return family_class(code, http_status);
}

enum error_cure error_cure_of(const char *code)
{
    static const char *const clock[] = { "RequestTimeTooSkewed",  "RequestExpired",
                                         "SignatureDoesNotMatch", "InvalidSignatureException",
                                         "RequestInTheFuture",    "AuthFailure" };
    static const char *const expired[] = { "ExpiredToken", "ExpiredTokenException",
                                           "TokenRefreshRequired", "RequestExpired" };
    for (size_t i = 0; i < ARRAY_SIZE(expired); i++)
        if (strcmp(expired[i], code) == 0)
            return CURE_CREDENTIALS;
    for (size_t i = 0; i < ARRAY_SIZE(clock); i++)
        if (strcmp(clock[i], code) == 0)
            return CURE_CLOCK;
    return CURE_NONE;
}

/*
 * The first entry that fits wins, so those with a message stand before those without. The
 * throttling codes are botocore's (botocore/retries/standard.py) less LimitExceededException, which
 * is a quota in IAM, Logs, ECS and CloudFormation.
 */
static const struct code_class code_classes[] = {
    { "Throttling", NULL, ERR_THROTTLED },
    { "ThrottlingException", NULL, ERR_THROTTLED },
    { "ThrottledException", NULL, ERR_THROTTLED },
    { "Throttled", NULL, ERR_THROTTLED },
    { "ThrottleException", NULL, ERR_THROTTLED },
    { "RequestThrottledException", NULL, ERR_THROTTLED },
    { "RequestThrottled", NULL, ERR_THROTTLED },
    { "TooManyRequestsException", NULL, ERR_THROTTLED },
    { "ProvisionedThroughputExceededException", NULL, ERR_THROTTLED },
    { "TransactionInProgressException", NULL, ERR_THROTTLED },
    { "RequestLimitExceeded", NULL, ERR_THROTTLED },
    { "BandwidthLimitExceeded", NULL, ERR_THROTTLED },
    { "SlowDown", NULL, ERR_THROTTLED },
    { "PriorRequestNotComplete", NULL, ERR_THROTTLED },
    { "EC2ThrottledException", NULL, ERR_THROTTLED },

    { "RequestTimeout", NULL, ERR_TRANSIENT },
    { "RequestTimeoutException", NULL, ERR_TRANSIENT },
    { "InternalError", NULL, ERR_TRANSIENT },
    { "InternalFailure", NULL, ERR_TRANSIENT },
    { "InternalServerError", NULL, ERR_TRANSIENT },
    { "InternalServiceError", NULL, ERR_TRANSIENT },
    { "ServerException", NULL, ERR_TRANSIENT },
    { "ServiceUnavailable", NULL, ERR_TRANSIENT },
    { "ServiceUnavailableException", NULL, ERR_TRANSIENT },
    { "Unavailable", NULL, ERR_TRANSIENT },
    { "ServiceFailure", NULL, ERR_TRANSIENT },
    { "IDPCommunicationError", NULL, ERR_TRANSIENT },

    { "AccessDenied", NULL, ERR_DENIED },
    { "AccessDeniedException", NULL, ERR_DENIED },
    { "UnauthorizedOperation", NULL, ERR_DENIED },
    { "UnauthorizedException", NULL, ERR_DENIED },
    { "NotAuthorized", NULL, ERR_DENIED },
    { "OptInRequired", NULL, ERR_DENIED },

    { "ExpiredToken", NULL, ERR_CREDENTIALS },
    { "ExpiredTokenException", NULL, ERR_CREDENTIALS },
    { "TokenRefreshRequired", NULL, ERR_CREDENTIALS },
    { "RequestExpired", NULL, ERR_CREDENTIALS },
    { "InvalidClientTokenId", NULL, ERR_CREDENTIALS },
    { "UnrecognizedClientException", NULL, ERR_CREDENTIALS },
    { "MissingAuthenticationToken", NULL, ERR_CREDENTIALS },
    { "MissingAuthenticationTokenException", NULL, ERR_CREDENTIALS },
    { "InvalidAccessKeyId", NULL, ERR_CREDENTIALS },
    { "AuthFailure", NULL, ERR_CREDENTIALS },
    { "SignatureDoesNotMatch", NULL, ERR_CREDENTIALS },
    { "InvalidSignatureException", NULL, ERR_CREDENTIALS },
    { "IncompleteSignature", NULL, ERR_CREDENTIALS },
    { "IncompleteSignatureException", NULL, ERR_CREDENTIALS },
    { "RequestTimeTooSkewed", NULL, ERR_CREDENTIALS },
    { "RequestInTheFuture", NULL, ERR_CREDENTIALS },
    { "IDPRejectedClaim", NULL, ERR_CREDENTIALS },
    { "InvalidIdentityToken", NULL, ERR_CREDENTIALS },

    /* ECS says ClientException for several things:
     * https://github.com/hashicorp/terraform-provider-aws/issues/29205 */
    { "ClientException", "Too many concurrent attempts", ERR_BUSY },
    { "ClientException", "Unable to describe task definition", ERR_NOT_FOUND },
    { "ServiceNotActiveException", NULL, ERR_NOT_FOUND },
    { "InvalidParameterException", "still Draining", ERR_BUSY },
    { "InvalidParameterException", "not idempotent", ERR_EXISTS },
    { "InvalidParameterException", "does not have an associated load balancer", ERR_BUSY },
    { "InvalidParameterException", "is already in use", ERR_EXISTS },
    { "ClusterContainsServicesException", NULL, ERR_BUSY },
    { "ClusterContainsTasksException", NULL, ERR_BUSY },
    { "ClusterContainsContainerInstancesException", NULL, ERR_BUSY },
    { "UpdateInProgressException", NULL, ERR_BUSY },
    { "LimitExceededException", NULL, ERR_QUOTA },

    { "DependencyViolation", NULL, ERR_BUSY },
    { "InvalidGroup.InUse", NULL, ERR_BUSY },
    { "InvalidGroupId.Malformed", NULL, ERR_INVALID },
    { "InvalidPermission.Duplicate", NULL, ERR_EXISTS },
    { "InvalidPermission.NotFound", NULL, ERR_NOT_FOUND },
    { "RulesPerSecurityGroupLimitExceeded", NULL, ERR_QUOTA },

    /* Service Quotas, with status 400, where a service is not in the region. */
    { "NoSuchResourceException", NULL, ERR_NOT_FOUND },
    { "NoSuchEntity", NULL, ERR_NOT_FOUND },
    { "NoSuchEntityException", NULL, ERR_NOT_FOUND },
    { "EntityAlreadyExists", NULL, ERR_EXISTS },
    { "EntityAlreadyExistsException", NULL, ERR_EXISTS },
    { "LimitExceeded", NULL, ERR_QUOTA },
    { "DeleteConflict", NULL, ERR_BUSY },
    { "DeleteConflictException", NULL, ERR_BUSY },
    { "ConcurrentModification", NULL, ERR_BUSY },
    { "ConcurrentModificationException", NULL, ERR_BUSY },
    { "EntityTemporarilyUnmodifiable", NULL, ERR_BUSY },
    { "MalformedPolicyDocument", NULL, ERR_INVALID },
    { "ServiceFailureException", NULL, ERR_TRANSIENT },

    { "OperationAbortedException", NULL, ERR_BUSY },

    { "DuplicateLoadBalancerName", NULL, ERR_EXISTS },
    { "DuplicateTargetGroupName", NULL, ERR_EXISTS },
    { "DuplicateListener", NULL, ERR_EXISTS },
    { "PriorityInUse", NULL, ERR_BUSY },
    { "TooManyLoadBalancers", NULL, ERR_QUOTA },
    { "TooManyTargetGroups", NULL, ERR_QUOTA },
    { "TooManyUniqueTargetGroupsPerLoadBalancer", NULL, ERR_QUOTA },
    { "TooManyListeners", NULL, ERR_QUOTA },
    { "TooManyRules", NULL, ERR_QUOTA },
    { "TooManyCertificates", NULL, ERR_QUOTA },

    { "ConflictingDomainExists", NULL, ERR_EXISTS },
    { "DuplicateRequest", NULL, ERR_BUSY },
    { "ResourceInUse", NULL, ERR_BUSY },
    { "ResourceInUseException", NULL, ERR_BUSY },
    { "NamespaceNotFound", NULL, ERR_NOT_FOUND },
    { "ServiceAlreadyExists", NULL, ERR_EXISTS },

    /* https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html;
     * what it says: https://github.com/ansible-collections/amazon.aws/issues/2694 and others. What
     * is not found is the record that a change would delete, not the target of an alias. */
    { "InvalidChangeBatch", "already exists", ERR_EXISTS },
    { "InvalidChangeBatch", "conflicts with other records", ERR_EXISTS },
    { "InvalidChangeBatch", "but it was not found", ERR_NOT_FOUND },
    { "InvalidChangeBatch", "do not match the current values", ERR_NOT_FOUND },
    { "NoSuchHostedZone", NULL, ERR_NOT_FOUND },
    { "NoSuchChange", NULL, ERR_NOT_FOUND },

    { "InvalidCacheClusterState", NULL, ERR_BUSY },
    { "InvalidReplicationGroupState", NULL, ERR_BUSY },
    { "CacheSubnetGroupInUse", NULL, ERR_BUSY },
    { "InsufficientCacheClusterCapacity", NULL, ERR_QUOTA },
    { "ClusterQuotaForCustomerExceeded", NULL, ERR_QUOTA },
    { "NodeQuotaForClusterExceeded", NULL, ERR_QUOTA },
    { "NodeQuotaForCustomerExceeded", NULL, ERR_QUOTA },

    /* What CloudFormation says: https://github.com/hashicorp/terraform-provider-aws
     * (internal/service/cloudformation) and its issues. */
    { "ValidationError", "Stack with id", ERR_NOT_FOUND },
    { "ValidationError", "_IN_PROGRESS state and can not be updated", ERR_BUSY },
    { "ValidationError", "cannot be deleted while in status", ERR_BUSY },

    { "RepositoryNotEmptyException", NULL, ERR_BUSY },
    { "ImageTagAlreadyExistsException", NULL, ERR_EXISTS },
    { "TooManyTagsException", NULL, ERR_QUOTA },
};
static const size_t code_classes_n = ARRAY_SIZE(code_classes);
