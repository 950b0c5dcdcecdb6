"""Which addresses of the internet are everybody's; a service never connects to another for a stranger."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

# https://www.iana.org/assignments/iana-ipv4-special-registry, multicast and the reserved block.
PRIVATE = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by customers of a carrier
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # the host of a virtual machine in Azure
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.52.193.0/24",  # automatic multicast tunnelling
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
# https://www.iana.org/assignments/ipv6-address-space: all that is global unicast. Loopback, mapped and compatible
# IPv4, NAT64, unique local, link-local, site-local and multicast lie outside.
GLOBAL = IPv6Network("2000::/3")
CARVED_OUT = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
]


def is_public(address: str) -> bool:
    """Tell whether a numeric address is of the public internet, and holds no other address inside."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return found in GLOBAL and not any(found in network for network in CARVED_OUT)
    return not any(found in network for network in PRIVATE)
