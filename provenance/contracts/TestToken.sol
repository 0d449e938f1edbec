// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title TestToken
/// @author The Tallymark contributors
/// @notice Play money for the development chain. It is worth nothing and refuses to exist anywhere else.
contract TestToken is ERC20, Ownable {
    /// @notice The chain is not the development chain (id 31337).
    /// @param chainId The chain's id.
    error DevelopmentOnly(uint256 chainId);

    /// @notice The deployer becomes the minter.
    constructor() ERC20("Tallymark test dollar", "TUSD") Ownable(msg.sender) {
        if (block.chainid != 31337) revert DevelopmentOnly(block.chainid);
    }

    /// @notice Makes new play money.
    /// @param to Who receives it.
    /// @param amount How much, in units of a millionth.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    /// @notice Six decimals, as the common dollar tokens have.
    /// @return The number of decimals.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
